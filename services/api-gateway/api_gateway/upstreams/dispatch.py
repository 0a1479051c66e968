"""Dispatches a request to an instance of a service, and retries it at another instance where that is safe."""

import asyncio
from dataclasses import dataclass
from time import monotonic

from api_gateway.upstreams.connections import UpstreamConnection
from api_gateway.upstreams.exchanges import ConnectionLost, Exchange, RequestNotSent
from api_gateway.upstreams.upstreams import Instance, Upstream
from switchboard.runtime.refusals import ServiceUnavailable

RESPONSE_SECONDS = 20.0  # from the last byte of the request to the response's head; services give up at 15
MAX_TRIES = 3


class UpstreamLost(ServiceUnavailable):
    """The connection was lost and the request may have taken effect: with an Idempotency-Key it is safe to repeat."""

    code = "upstream_lost"


class UpstreamTimeout(ServiceUnavailable):
    """No answer in time, and the request may have taken effect: with an Idempotency-Key it is safe to repeat."""

    code = "upstream_timeout"


class NoInstanceAvailable(ServiceUnavailable):
    """No instance of the service can be reached."""


@dataclass(slots=True)
class OutgoingRequest:
    """The bytes of a request. The Host header is added for the instance, unless `host` is given.

    `body` is None when it will be streamed. `retryable`: it may be sent again although it may have taken effect.
    """

    line: bytes
    headers: bytes
    body: bytes | None
    retryable: bool
    expects_body: bool = True
    sticky_key: bytes | None = None
    timeout: float = RESPONSE_SECONDS
    host: bytes | None = None

    def to(self, instance: Instance) -> bytes:
        host = self.host or instance.host_header
        return b"".join((self.line, b"Host: ", host, b"\r\n", self.headers, self.body or b""))


class UpstreamRequest:
    """A request that was sent to an instance. Call `release` once its response isn't read any more."""

    __slots__ = ("_released", "connection", "exchange", "instance")

    def __init__(self, instance: Instance, connection: UpstreamConnection, exchange: Exchange) -> None:
        self.instance = instance
        self.connection = connection
        self.exchange = exchange
        self._released = False
        instance.pending += 1

    def release(self) -> None:
        """Free the connection, or close it if the response has not been read to its end."""
        if self._released:
            return
        self._released = True
        self.instance.pending -= 1
        self.connection.abandon(self.exchange)

    async def wait_for_head(self, seconds: float) -> None:
        """Wait for the response's head. Raises `ConnectionLost` or `UpstreamTimeout`."""
        head = self.exchange.head
        if head.done():
            head.result()
            self.instance.answered_at = monotonic()
            return
        timer = asyncio.get_running_loop().call_later(seconds, self.exchange.fail, _TimedOut("no response in time"))
        try:
            await head
            self.instance.answered_at = monotonic()
        except _TimedOut:
            raise UpstreamTimeout from None
        finally:
            timer.cancel()


async def send(upstream: Upstream, request: OutgoingRequest, tried: set[Instance]) -> UpstreamRequest:
    """Send a request to the best instance that was not tried yet. Raises `NoInstanceAvailable`."""
    while True:
        instance = upstream.choose(tried, sticky_key=request.sticky_key)
        if instance is None:
            raise NoInstanceAvailable(f"No instance of {upstream.service} can be reached.")
        try:
            connection = await instance.connect()
            exchange = connection.begin(
                request.to(instance), complete=request.body is not None, expects_body=request.expects_body
            )
        except (RequestNotSent, ConnectionLost):
            tried.add(instance)
            upstream.probe_now.set()
            continue
        return UpstreamRequest(instance, connection, exchange)


async def dispatch(upstream: Upstream, request: OutgoingRequest) -> UpstreamRequest:
    """Send a request with its whole body and wait for the response's head, with retries at other instances.

    Raises `NoInstanceAvailable` only if no instance can have received the request.
    """
    tried: set[Instance] = set()
    lost: ConnectionLost | None = None
    for _ in range(MAX_TRIES):
        try:
            sent = await send(upstream, request, tried)
        except NoInstanceAvailable:
            if lost is None:
                raise
            raise UpstreamLost from lost
        try:
            await sent.wait_for_head(request.timeout)
            return sent
        except ConnectionLost as error:
            sent.release()
            upstream.probe_now.set()
            tried.add(sent.instance)
            if not request.retryable:
                raise UpstreamLost from error
            lost = error
        except BaseException:
            sent.release()
            raise
    raise UpstreamLost from lost


class _TimedOut(Exception):
    pass
