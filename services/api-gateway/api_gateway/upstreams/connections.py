"""A keep-alive connection to an upstream: bytes out, an answer in. Parsed by httptools, to find head and end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Any

import httptools

from api_gateway.upstreams.exchanges import Exchange, Lost

NO_BODY = (204, 304)


class Connection(asyncio.Protocol):
    """One connection, one exchange at a time. `released(self)` is called when it is free for the next."""

    def __init__(self, loop: asyncio.AbstractEventLoop, released: Callable[[Connection], None]) -> None:
        self._loop = loop
        self._released = released
        self._parser: Any = httptools.HttpResponseParser(self)
        self._exchange: Exchange | None = None
        self._sent_whole = False
        self._until_close = False
        self._keep_alive = True
        self._drain: asyncio.Future[None] | None = None
        self._paused = False
        self.transport: asyncio.Transport | None = None
        self.tail = b""  # bytes behind a 101 answer
        self.free_since = 0.0

    # what the exchange's owner does

    def begin(self, head: bytes, *, whole: bool, wants_body: bool = True) -> Exchange:
        """Send a request's head (with its body, when `whole`). Raises `Lost` on a connection that is closing."""
        transport = self.transport
        if transport is None or transport.is_closing():
            raise Lost("the connection closed before the request was sent")
        self._exchange = Exchange(self._loop, wants_body, self._hold_up)
        self._sent_whole = whole
        self._until_close = False
        transport.write(head)
        return self._exchange

    async def write(self, data: bytes) -> None:
        """A part of the request's body, when the upstream has room for it. Raises `Lost`."""
        transport = self.transport
        if transport is None or transport.is_closing():
            raise Lost("the upstream closed the connection")
        transport.write(data)
        if self._paused:
            self._drain = self._loop.create_future()
            await self._drain

    def sent_whole(self) -> None:
        """The request's body is complete."""
        self._sent_whole = True
        if self._exchange is not None and self._exchange.ended:
            self._finish()

    def abandon(self, exchange: Exchange) -> None:
        """Nobody waits for this exchange any more. If it is over, the connection is free, or another's, and stays."""
        if self._exchange is exchange:
            self._exchange = None
            self.close()

    def give_up(self, why: str) -> None:
        """The upstream is not to be waited for: whoever does is told."""
        exchange = self._exchange
        if exchange is not None and not exchange.head.done():
            exchange.fail(Lost(why))
            self.abandon(exchange)

    def close(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    @property
    def is_open(self) -> bool:
        return self.transport is not None and not self.transport.is_closing()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is None:
            self.close()  # nobody asked
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
            exchange.fail(Lost(f"the upstream's answer is malformed: {error}"))
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        exchange, self._exchange = self._exchange, None
        if exchange is not None and not exchange.ended:
            if self._until_close and exc is None:
                exchange.end()
            else:
                exchange.fail(Lost(f"the upstream broke off{f': {exc}' if exc else ''}"))
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
            exchange.headers.clear()  # 100 Continue and its like: the answer is still to come
            return
        names = dict(exchange.headers)
        exchange.chunked = b"chunked" in names.get(b"transfer-encoding", b"").lower()
        self._keep_alive = self._parser.should_keep_alive()
        exchange.has_no_length = not (exchange.chunked or b"content-length" in names or status in NO_BODY)
        self._until_close = exchange.has_no_length and exchange.wants_body
        exchange.feed_head(status)
        if not exchange.wants_body:
            self._parser = httptools.HttpResponseParser(self)  # it would wait for the body of a HEAD
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
            if self._sent_whole:
                self._finish()

    def _finish(self) -> None:
        """The exchange is over: its answer stays with its reader, the connection is free."""
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.let_go()
        if not self._keep_alive:
            self.close()
        elif self.transport is not None:
            self.free_since = monotonic()
            self._released(self)

    def _hold_up(self, hold: bool) -> None:
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        if hold:
            transport.pause_reading()
        else:
            transport.resume_reading()
