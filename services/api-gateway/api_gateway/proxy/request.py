"""A request at the edge: its id, its path, what we vouch for to upstreams, and its end in log and metrics."""

from __future__ import annotations

import random
import re
from time import perf_counter

import structlog
from aiohttp import web
from uuid_utils import uuid7

from api_gateway.identity.credentials import Addresses
from api_gateway.identity.sessions import Visitor
from api_gateway.proxy.cors import Cors
from api_gateway.upstreams.headers import SECURITY, STRICT_TRANSPORT, TRACEPARENT
from switchboard.runtime.health import Health
from switchboard.runtime.metrics import Metrics

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

log = structlog.get_logger("switchboard.http")


class Surface:
    """What the edge of this gateway looks like from outside."""

    def __init__(
        self, public_url: str, addresses: Addresses, metrics: Metrics, cors: Cors, health: Health, *, logs: bool
    ) -> None:
        self.scheme = "https" if public_url.startswith("https:") else "http"
        self.security = SECURITY + (STRICT_TRANSPORT if self.scheme == "https" else b"")
        self.addresses = addresses
        self.metrics = metrics
        self.cors = cors
        self.health = health
        self.logs = logs


class Incoming:
    """One request, from its first byte to its last."""

    __slots__ = ("_started", "_surface", "address", "path", "request", "request_id", "route", "target", "visitor")

    def __init__(self, request: web.Request, surface: Surface) -> None:
        self._started = perf_counter()
        self._surface = surface
        self.request = request
        self.route = "unmatched"
        self.visitor: Visitor | None = None
        given = request.headers.get("X-Request-Id")
        self.request_id = given if given and REQUEST_ID.fullmatch(given) else uuid7().hex
        self.target = _origin_form(request)
        self.path = self.target.partition("?")[0]
        self.address = surface.addresses.client(request)

    @property
    def is_last(self) -> bool:
        """Whether its connection is to be closed behind it: this gateway is about to end."""
        return self._surface.health.state == "draining"

    @property
    def vouched(self) -> bytes:
        """Header lines that say to an upstream where the request came from."""
        surface, request = self._surface, self.request
        traceparent = request.headers.get("traceparent", "").encode("latin-1", "replace")
        if not TRACEPARENT.fullmatch(traceparent):
            traceparent = b"00-%032x-%016x-00" % (random.getrandbits(128) or 1, random.getrandbits(64) or 1)
        host = request.headers.get("Host", "")
        scheme = surface.addresses.scheme(request, surface.scheme)
        return (
            (
                f"X-Request-Id: {self.request_id}\r\nX-Forwarded-For: {self.address}\r\n"
                f"X-Forwarded-Proto: {scheme}\r\nX-Forwarded-Host: {host}\r\n"
            ).encode("latin-1", "replace")
            + b"traceparent: "
            + traceparent
            + b"\r\n"
        )

    def ours(self) -> bytes:
        """Header lines of every answer."""
        surface = self._surface
        return b"X-Request-Id: %b\r\n" % self.request_id.encode() + surface.security + surface.cors.lines(self.request)

    def done(self, status: int) -> None:
        """The answer has been sent, as far as it got."""
        seconds = perf_counter() - self._started
        method = self.request.method
        self._surface.metrics.observe_request(method, self.route, status, seconds)
        if not self._surface.logs:
            return
        who = self.visitor.session if self.visitor else None
        log.info(
            "request",
            request_id=self.request_id,
            method=method,
            route=self.route,
            path=self.path,
            status=status,
            ms=round(seconds * 1000, 2),
            **({"tenant_id": who.tenant_id, "user_id": who.user_id} if who else {}),
        )


def _origin_form(request: web.Request) -> str:
    """The request target as upstreams get it, path and query: a client may have written a whole URL."""
    target = request.raw_path
    return target if target.startswith("/") else request.rel_url.raw_path_qs
