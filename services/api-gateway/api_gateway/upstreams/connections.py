"""Keep-alive connections to upstreams. httptools parses the responses."""

import asyncio
import select
from collections.abc import Callable
from time import monotonic
from typing import Any

import httptools

from api_gateway.upstreams.exchanges import ConnectionLost, Exchange

NO_BODY = (204, 304)


class UpstreamConnection(asyncio.Protocol):
    """One connection to an instance, with one exchange at a time. `released(self)` is called when it is free."""

    def __init__(self, loop: asyncio.AbstractEventLoop, released: "Callable[[UpstreamConnection], None]") -> None:
        self._loop = loop
        self._released = released
        self._parser: Any = httptools.HttpResponseParser(self)
        self._exchange: Exchange | None = None
        self._request_ended = False
        self._until_close = False
        self._keep_alive = True
        self._drain: asyncio.Future[None] | None = None
        self._paused = False
        self._readable = select.poll()
        self.transport: asyncio.Transport | None = None
        self.tail = b""  # bytes after the head of a 101 response
        self.free_since = 0.0

    # called by the owner of the exchange

    def begin(self, head: bytes, *, complete: bool, expects_body: bool = True) -> Exchange:
        """Send a request's head, with its body if `complete`. Raises `ConnectionLost` if the connection is closing."""
        transport = self.transport
        if transport is None or transport.is_closing():
            raise ConnectionLost("the connection closed before the request was sent")
        self._exchange = Exchange(self._loop, expects_body, self._pause)
        self._request_ended = complete
        self._until_close = False
        transport.write(head)
        return self._exchange

    async def write(self, data: bytes) -> None:
        """Send a part of the request's body; waits while the upstream is slow. Raises `ConnectionLost`."""
        transport = self.transport
        if transport is None or transport.is_closing():
            raise ConnectionLost("the upstream closed the connection")
        transport.write(data)
        if self._paused:
            self._drain = self._loop.create_future()
            await self._drain

    def end_request(self) -> None:
        """Mark the request as sent completely."""
        self._request_ended = True
        if self._exchange is not None and self._exchange.ended:
            self._finish()

    def abandon(self, exchange: Exchange) -> None:
        """Stop the exchange. The connection is closed, unless the exchange has ended already."""
        if self._exchange is exchange:
            self._exchange = None
            self.close()

    def fail_pending(self, reason: str) -> None:
        """Fail the exchange if it still waits for the response's head."""
        exchange = self._exchange
        if exchange is not None and not exchange.head.done():
            exchange.fail(ConnectionLost(reason))
            self.abandon(exchange)

    def close(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    @property
    def is_open(self) -> bool:
        return self.transport is not None and not self.transport.is_closing()

    def is_usable(self) -> bool:
        """Whether an idle connection can take a request. The event loop may not know yet that the service closed it."""
        return self.is_open and not self._readable.poll(0)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self._readable.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is None:
            self.close()  # bytes without a request
            return
        if exchange.upgraded:
            self.tail += data
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self.tail = data[upgrade.args[0] :]
            exchange.upgraded = True
            exchange.feed_head(self._parser.get_status_code())
        except httptools.HttpParserError as error:
            exchange.fail(ConnectionLost(f"the upstream's response is malformed: {error}"))
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        exchange, self._exchange = self._exchange, None
        if exchange is not None and not exchange.ended:
            if self._until_close and exc is None:
                exchange.end()
            else:
                exchange.fail(ConnectionLost(f"the upstream closed the connection{f': {exc}' if exc else ''}"))
        self.resume_writing()
        self._released(self)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        if self._drain is not None and not self._drain.done():
            self._drain.set_result(None)

    # httptools

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._exchange is not None:
            self._exchange.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        exchange = self._exchange
        status: int = self._parser.get_status_code()
        if exchange is None or status == 101:
            return
        if status < 200:
            exchange.headers.clear()  # 100 Continue and the like: the final response follows
            return
        names = dict(exchange.headers)
        exchange.chunked = b"chunked" in names.get(b"transfer-encoding", b"").lower()
        self._keep_alive = self._parser.should_keep_alive()
        exchange.has_no_length = not (exchange.chunked or b"content-length" in names or status in NO_BODY)
        self._until_close = exchange.has_no_length and exchange.expects_body
        exchange.feed_head(status)
        if not exchange.expects_body:
            self._parser = httptools.HttpResponseParser(self)  # the old one would wait for the body of a HEAD
            self._end()

    def on_body(self, body: bytes) -> None:
        if self._exchange is not None:
            self._exchange.feed(body)

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() >= 200:
            self._end()

    def _end(self) -> None:
        if self._exchange is not None:
            self._exchange.end()
            if self._request_ended:
                self._finish()

    def _finish(self) -> None:
        """Free the connection; the response stays with its reader."""
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.detach()
        if not self._keep_alive:
            self.close()
        elif self.transport is not None:
            self.free_since = monotonic()
            self._released(self)

    def _pause(self, pause: bool) -> None:
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        if pause:
            transport.pause_reading()
        else:
            transport.resume_reading()
