"""Sends a request to some instance of a service, and to another where that is safe."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from api_gateway.upstreams.connections import Connection
from api_gateway.upstreams.exchanges import Exchange, Lost, NotSent
from api_gateway.upstreams.instances import Instance
from api_gateway.upstreams.upstreams import Upstream
from switchboard.runtime.refusals import ServiceUnavailable

ANSWER_SECONDS = 20.0  # from the last byte of the request to the answer's head; services give up at 15
MOST_TRIES = 3


class UpstreamLost(ServiceUnavailable):
    """The service broke off in the middle: the request may have taken effect."""

    code = "upstream_lost"


class UpstreamSlow(ServiceUnavailable):
    """The service gave no answer in time: the request may have taken effect."""

    code = "upstream_timeout"


class NobodyThere(ServiceUnavailable):
    """No instance of the service can be reached."""


@dataclass(slots=True)
class Outgoing:
    """A request's bytes around the Host header, which is the instance's unless `host` is given.

    `body`: None for one to be streamed.
    """

    line: bytes
    headers: bytes
    body: bytes | None
    repeatable: bool
    wants_body: bool = True
    key: bytes | None = None
    answer_within: float = ANSWER_SECONDS
    host: bytes | None = None

    def to(self, instance: Instance) -> bytes:
        host = self.host or instance.host_header
        return b"".join((self.line, b"Host: ", host, b"\r\n", self.headers, self.body or b""))


class Flight:
    """A request under way at an instance. `land` it exactly when nobody reads its answer any more."""

    __slots__ = ("_landed", "connection", "exchange", "instance")

    def __init__(self, instance: Instance, connection: Connection, exchange: Exchange) -> None:
        self.instance = instance
        self.connection = connection
        self.exchange = exchange
        self._landed = False
        instance.pending += 1

    def land(self) -> None:
        """Over: well, or cut off here."""
        if self._landed:
            return
        self._landed = True
        self.instance.pending -= 1
        self.connection.abandon(self.exchange)


async def take_off(upstream: Upstream, request: Outgoing, tried: set[Instance]) -> Flight:
    """Connect to the best instance not yet tried and send what there is. Raises `NobodyThere` when none is left."""
    while True:
        instance = upstream.choose(tried, key=request.key)
        if instance is None:
            raise NobodyThere(f"No instance of {upstream.service} can be reached.")
        try:
            connection = await instance.connect()
            exchange = connection.begin(
                request.to(instance), whole=request.body is not None, wants_body=request.wants_body
            )
        except (NotSent, Lost):
            tried.add(instance)
            upstream.suspect()
            continue
        return Flight(instance, connection, exchange)


async def fly(upstream: Upstream, request: Outgoing) -> Flight:
    """Send a request with its whole body and wait for the answer's head, at another instance if need and right be."""
    tried: set[Instance] = set()
    for _ in range(MOST_TRIES):
        flight = await take_off(upstream, request, tried)
        try:
            await head_of(flight, request.answer_within)
            return flight
        except Lost as lost:
            flight.land()
            upstream.suspect()
            tried.add(flight.instance)
            if not request.repeatable:
                raise UpstreamLost from lost
        except BaseException:
            flight.land()
            raise
    raise UpstreamLost


async def head_of(flight: Flight, within: float = ANSWER_SECONDS) -> None:
    """Wait for the answer's head. Raises `Lost` or `UpstreamSlow`."""
    head = flight.exchange.head
    if head.done():
        head.result()
        return
    loop = asyncio.get_running_loop()
    bound = loop.call_later(within, flight.exchange.fail, _TooSlow("no answer in time"))
    try:
        await head
    except _TooSlow:
        raise UpstreamSlow from None
    finally:
        bound.cancel()


class _TooSlow(Exception):
    pass
