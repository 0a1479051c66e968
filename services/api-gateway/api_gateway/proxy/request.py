"""A request at the edge: its id, path and client address, the headers for services and clients, its log line."""

import ipaddress
import re
from collections.abc import Sequence
from time import perf_counter

import structlog
from aiohttp import web
from uuid_utils import uuid7

from api_gateway.identity.hosts import OwnHosts
from api_gateway.identity.session_resolver import ResolvedSession
from api_gateway.proxy.cors import Cors
from api_gateway.proxy.headers import (
    END_TO_END,
    HOP_BY_HOP,
    NOT_FORWARDED,
    SECURITY,
    STRICT_TRANSPORT_SECURITY,
    TRUSTED_PREFIXES,
)
from switchboard.runtime.addresses import limited_as, read_address
from switchboard.runtime.health import Health
from switchboard.runtime.message_log import TRACE_ID, is_logged
from switchboard.runtime.metrics import Metrics
from switchboard.runtime.tracing import EdgeSpan

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

UNKNOWN_ADDRESS = "unknown"

log = structlog.get_logger("switchboard.http")


class TrustedProxies:
    """Finds the client's address behind trusted proxies, which append to X-Forwarded-For."""

    def __init__(self, networks: Sequence[Network] = ()) -> None:
        self._networks = tuple(networks)

    def client_address(self, request: web.BaseRequest) -> str:
        """The nearest address that does not belong to a trusted proxy; that of the peer if it names none."""
        peer = nearest = read_address(request.remote or "") or UNKNOWN_ADDRESS
        if not self._networks:
            return peer
        for hop in reversed(",".join(request.headers.getall("X-Forwarded-For", [])).split(",")):
            if not self._is_trusted(nearest) or (address := read_address(hop)) is None:
                break
            nearest = address
        return peer if self._is_trusted(nearest) else nearest

    def scheme(self, request: web.BaseRequest, default: str) -> str:
        """The scheme that the client used, as reported by a trusted proxy, else `default`."""
        if self._networks and self._is_trusted(read_address(request.remote or "") or ""):
            return request.headers.get("X-Forwarded-Proto", default)
        return default

    def _is_trusted(self, hop: str) -> bool:
        try:
            address = ipaddress.ip_address(hop)
        except ValueError:
            return False
        return any(address in network for network in self._networks)


class EdgeConfig:
    """The configuration that every request at the edge needs."""

    def __init__(
        self,
        public_url: str,
        frontend_url: str | None,
        trusted_proxies: Sequence[Network],
        metrics: Metrics,
        health: Health,
        logs_requests: bool,
    ) -> None:
        self.public_url = public_url
        self.scheme = "https" if public_url.startswith("https:") else "http"
        self.security_headers = SECURITY + (STRICT_TRANSPORT_SECURITY if self.scheme == "https" else b"")
        self.cors = Cors(frontend_url)
        self.hosts = OwnHosts(public_url)
        self.trusted_proxies = TrustedProxies(trusted_proxies)
        self.metrics = metrics
        self.health = health
        self.logs_requests = logs_requests


class ProxyRequest:
    """One request, from its first byte to the last byte of its response."""

    __slots__ = (
        "_config",
        "_started",
        "address",
        "path",
        "request",
        "request_id",
        "resolved",
        "route",
        "span",
        "target",
    )

    def __init__(self, request: web.Request, config: EdgeConfig) -> None:
        self._started = perf_counter()
        self._config = config
        self.request = request
        self.route = "unmatched"
        self.resolved: ResolvedSession | None = None
        given = request.headers.get("X-Request-Id")
        self.request_id = given if given and REQUEST_ID.fullmatch(given) else uuid7().hex
        raw_path = request.raw_path
        # The path and query that upstreams get, even if the client sent a whole URL.
        self.target = raw_path if raw_path.startswith("/") else request.rel_url.raw_path_qs
        self.path = self.target.partition("?")[0]
        self.address = config.trusted_proxies.client_address(request)
        self.span = EdgeSpan(f"{request.method} edge", request.headers.get("traceparent"))

    @property
    def limit_key(self) -> str:
        """What the client's address counts as for rate limits."""
        return limited_as(self.address)

    @property
    def closes_connection(self) -> bool:
        """Whether the client's connection is closed after the response: during graceful shutdown."""
        return self._config.health.state == "draining"

    def request_line(self) -> bytes:
        return f"{self.request.method} {self.target} HTTP/1.1\r\n".encode("utf-8", "surrogateescape")

    def upstream_headers(self) -> list[bytes]:
        """Header lines for an upstream: those of the client that may pass, and those that the gateway sets."""
        lines: list[bytes] = []
        named: set[bytes] = set()  # by the Connection header: hop-by-hop too
        for name, value in self.request.raw_headers:
            lower = name.lower()
            if lower == b"connection":
                named |= {part.strip().lower() for part in value.split(b",")}
            if lower in NOT_FORWARDED or lower.startswith(TRUSTED_PREFIXES):
                continue
            lines.append(b"%b: %b\r\n" % (name, value))
        named -= END_TO_END
        if named - HOP_BY_HOP - {b"close"}:
            lines = [line for line in lines if line.partition(b":")[0].lower() not in named]
        lines.append(self._forwarding_headers())
        return lines

    def _forwarding_headers(self) -> bytes:
        config, headers = self._config, self.request.headers
        scheme = config.trusted_proxies.scheme(self.request, config.scheme)
        lines = (
            f"X-Request-Id: {self.request_id}\r\nX-Forwarded-For: {self.address}\r\n"
            f"X-Forwarded-Proto: {scheme}\r\nX-Forwarded-Host: {headers.get('Host', '')}\r\n"
        )
        return lines.encode("latin-1", "replace") + b"traceparent: %b\r\n" % self.span.traceparent.encode()

    def response_headers(self) -> bytes:
        config = self._config
        request_id = b"Server: switchboard\r\nX-Request-Id: %b\r\n" % self.request_id.encode()
        cors = config.cors.headers(self.request) if "Origin" in self.request.headers else b""
        return request_id + config.security_headers + cors

    def finish(self, status: int) -> None:
        """Record metrics and the log line, once the response has been sent or was cut off."""
        seconds = perf_counter() - self._started
        method = self.request.method
        self._config.metrics.observe_request(method, self.route, status, seconds)
        self.span.end()
        traceparent = self.span.traceparent
        if not self._config.logs_requests or (status < 400 and not is_logged("request", traceparent)):
            return
        session = self.resolved.session if self.resolved else None
        log.info(
            "request",
            request_id=self.request_id,
            trace_id=traceparent[TRACE_ID],
            method=method,
            route=self.route,
            path=self.path,
            status=status,
            ms=round(seconds * 1000, 2),
            **({"tenant_id": session.tenant_id, "user_id": session.user_id} if session else {}),
        )
