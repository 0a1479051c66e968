"""An upstream's answer on its way to the client: its bytes as they come, under a head of our own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiohttp import HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter

from api_gateway.upstreams.dispatch import Flight
from api_gateway.upstreams.exchanges import Lost
from api_gateway.upstreams.headers import answer_head

STALLED_SECONDS = 60.0  # how long either side may keep the other waiting in the middle of a body

Landed = Callable[[int], None]


class Relayed(web.StreamResponse):
    """Given to aiohttp in place of a response of its own; writes to the client's connection itself."""

    def __init__(self, flight: Flight, ours: bytes, landed: Landed, *, close: bool) -> None:
        super().__init__(status=flight.exchange.status)
        self._flight = flight
        self._ours = ours
        self._landed = landed
        if close:
            self._keep_alive = False

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        self._req = request
        if self._keep_alive is None:
            self._keep_alive = request.keep_alive
        return request.writer

    async def write_eof(self, data: bytes = b"") -> None:
        if self._eof_sent:
            return
        self._eof_sent = True
        request, self._req = self._req, None
        try:
            assert request is not None
            await self._relay(request)
        except (Lost, TimeoutError) as trouble:
            # The client has got a part: cutting the connection is the only way left to say that it isn't whole.
            if request is not None and request.transport is not None:
                request.transport.abort()
            raise ConnectionResetError("an answer was cut off") from trouble
        finally:
            self._flight.land()
            self._landed(self.status)

    async def _relay(self, request: web.BaseRequest) -> None:
        exchange = self._flight.exchange
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client is gone")
        chunks = exchange.chunked and exchange.wants_body and request.version >= HttpVersion11
        if exchange.chunked and not chunks:
            self._keep_alive = False
        head = self._head(request, chunks)
        if exchange.ended:
            body = exchange.take()
            transport.write(head + (_framed(body) + LAST if chunks else body))
            return
        transport.write(head)
        while True:
            async with asyncio.timeout(STALLED_SECONDS):
                piece = await exchange.read()
                if not piece:
                    break
                if transport.is_closing():
                    raise ConnectionResetError("the client is gone")
                transport.write(_framed(piece) if chunks else piece)
                await request.writer.drain()
        if chunks:
            transport.write(LAST)

    def _head(self, request: web.BaseRequest, chunks: bool) -> bytes:
        exchange = self._flight.exchange
        head = answer_head(exchange.status, exchange.headers, self._ours)
        if chunks:
            head += b"Transfer-Encoding: chunked\r\n"
        elif exchange.has_no_length and exchange.wants_body:
            self._keep_alive = False  # its end is the connection's
        if not self._keep_alive:
            head += b"Connection: close\r\n"
        elif request.version < HttpVersion11:
            head += b"Connection: keep-alive\r\n"
        return head + b"\r\n"


LAST = b"0\r\n\r\n"


def _framed(piece: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b""
