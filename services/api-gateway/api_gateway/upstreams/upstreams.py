"""The instances of one service: connection pools, load balancing, sticky sessions.

Load balancing prefers ready instances and among them the one with the fewest pending requests. A failing instance is
ejected from load balancing: by the first request that can't connect to it, or by the probes in health_probes.py.
"""

import asyncio
import hashlib
import ipaddress
import socket
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Literal
from urllib.parse import urlsplit

import structlog

from api_gateway.upstreams.connections import UpstreamConnection
from api_gateway.upstreams.exchanges import RequestNotSent
from switchboard.runtime.background import Wakeup

CONNECT_SECONDS = 2.0
IDLE_SECONDS = 30.0  # services close idle connections after 75 s: a request must not meet the close
MAX_PENDING = 2000
RESOLVE_SECONDS = 5.0
QUIET_AFTER = 3.0  # seconds without a request

State = Literal["ready", "hanging", "unready", "down"]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Address:
    """The address of an instance. `label` names it in logs and `/health`."""

    host: str
    port: int
    label: str


class Instance:
    """One instance: a pool of keep-alive connections, and its health.

    `state`: `ready`; `hanging` (it answers neither probes nor requests); `unready` (its /readyz fails); `down` (can't
    be connected to).
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self.state: State = "ready"
        self.pending = 0
        self.answered_at = float("-inf")  # when it last answered a request, on the monotonic clock
        self.websockets = 0  # open connections that were upgraded: not counted towards `MAX_PENDING`
        self._loop = asyncio.get_running_loop()
        self._idle: deque[UpstreamConnection] = deque()
        self._all: set[UpstreamConnection] = set()
        self._retired = False
        self.host_header = f"{address.label}".encode()

    async def connect(self) -> UpstreamConnection:
        """An idle connection of the pool, else a new one. Raises `RequestNotSent`."""
        idle = self._idle
        while idle:
            connection = idle.pop()
            if monotonic() - connection.free_since < IDLE_SECONDS and connection.is_usable():
                return connection
            connection.close()
        if len(self._all) - self.websockets >= MAX_PENDING:
            raise RequestNotSent(f"{self.address.label} has too many pending requests")
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                _, connection = await self._loop.create_connection(self._new, self.address.host, self.address.port)
        except (OSError, TimeoutError) as error:
            self.state = "down"
            raise RequestNotSent(f"{self.address.label} can't be reached: {error}") from error
        self._all.add(connection)
        return connection

    async def get(self, path: bytes, seconds: float) -> tuple[int, bytes]:
        """Status and body of a GET of the gateway's own. Raises `RequestNotSent`, `ConnectionLost`, `TimeoutError`."""
        async with asyncio.timeout(seconds):
            connection = await self.connect()
            head = b"GET " + path + b" HTTP/1.1\r\nHost: " + self.host_header + b"\r\n\r\n"
            exchange = connection.begin(head, complete=True)
            try:
                await exchange.head
                return exchange.status, await exchange.read_all()
            finally:
                connection.abandon(exchange)

    def fail_pending(self, reason: str) -> None:
        """Fail the requests that still wait for a response's head, so that they may be retried elsewhere."""
        for connection in list(self._all):
            connection.fail_pending(reason)

    def close_idle(self) -> None:
        """Close connections that have been idle for too long."""
        now = monotonic()
        while self._idle and (self._retired or now - self._idle[0].free_since >= IDLE_SECONDS):
            self._idle.popleft().close()

    def retire(self) -> None:
        """Take no new requests; pending ones finish."""
        self._retired = True
        self.close_idle()

    def close(self) -> None:
        for connection in list(self._all):
            connection.close()

    def _new(self) -> UpstreamConnection:
        return UpstreamConnection(self._loop, self._released)

    def _released(self, connection: UpstreamConnection) -> None:
        if not connection.is_open:
            self._all.discard(connection)
        elif self._retired:
            connection.close()
        else:
            self._idle.append(connection)


class Upstream:
    """A service, by its URLs. A host name with several addresses is several instances."""

    def __init__(self, service: str, urls: Sequence[str]) -> None:
        self.service = service
        self.probe_now = Wakeup()
        """Set when a request to an instance failed, or is the first for some time: all instances are probed at once."""
        self._used_at = float("-inf")  # on the monotonic clock
        self.urls = [urlsplit(url) for url in urls]
        self._instances: dict[Address, Instance] = {}
        self._turn = 0

    @property
    def instances(self) -> list[Instance]:
        return list(self._instances.values())

    @property
    def has_fixed_addresses(self) -> bool:
        """Whether every URL has an IP address rather than a host name."""
        return all(_is_ip_address(url.hostname or "") for url in self.urls)

    def is_quiet(self) -> bool:
        """Whether there was no request for some time."""
        return monotonic() - self._used_at > QUIET_AFTER

    def choose(self, tried: Iterable[Instance] = (), *, sticky_key: bytes | None = None) -> Instance | None:
        """The instance for a request, None when all were tried.

        Only the instances in the best state that any of them has are considered: ready, then hanging (if all hang, the
        cause may be the gateway), then unready, then down (it may be back). With a sticky key, all gateways choose the
        same of them by rendezvous hashing; else it is the one with the fewest pending requests.
        """
        if self.is_quiet():
            self.probe_now.set()
        self._used_at = monotonic()
        left = [instance for instance in self._instances.values() if instance not in tried]
        for state in ("ready", "hanging", "unready", "down"):
            best = [instance for instance in left if instance.state == state]
            if not best:
                continue
            if sticky_key is not None:
                return max(best, key=lambda instance: _weight(sticky_key, instance.address.label))
            self._turn += 1
            offset = self._turn % len(best)
            return min(best[offset:] + best[:offset], key=lambda instance: instance.pending)
        return None

    async def resolve(self) -> None:
        """Look up the host names: new addresses become instances, missing ones retire."""
        found: set[Address] = set()
        for url in self.urls:
            found |= set(await _addresses(url.hostname or "", url.port or 80))
        for address in found - self._instances.keys():
            self._instances[address] = Instance(address)
        if found:  # a DNS failure removes no instance
            for address in self._instances.keys() - found:
                self._instances.pop(address).retire()


@asynccontextmanager
async def open_upstreams(urls: Mapping[str, Sequence[str]]) -> AsyncIterator[dict[str, Upstream]]:
    """Resolve the instances of each service, by its name; close their connections at the end of the block."""
    upstreams = {service: Upstream(service, of_service) for service, of_service in urls.items()}
    try:
        for upstream in upstreams.values():
            await upstream.resolve()
        yield upstreams
    finally:
        for upstream in upstreams.values():
            for instance in upstream.instances:
                instance.close()


async def _addresses(host: str, port: int) -> list[Address]:
    if _is_ip_address(host):
        return [Address(host, port, f"{host}:{port}")]
    try:
        async with asyncio.timeout(RESOLVE_SECONDS):
            loop = asyncio.get_running_loop()
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError) as error:
        log.warning("host_name_unresolved", host=host, reason=str(error))
        return []
    return [Address(str(entry[4][0]), port, f"{entry[4][0]}:{port}") for entry in found]


def _is_ip_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _weight(key: bytes, label: str) -> bytes:
    return hashlib.blake2b(key + b"@" + label.encode(), digest_size=8).digest()
