"""Streams an upstream's response to the client as it arrives, with backpressure, under a head of the gateway's own."""

import asyncio
from http import HTTPStatus

from aiohttp import HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter

from api_gateway.proxy.headers import NOT_RETURNED, SECURITY_NAMES
from api_gateway.proxy.request import ProxyRequest
from api_gateway.upstreams.dispatch import UpstreamRequest
from api_gateway.upstreams.exchanges import ConnectionLost

STALL_SECONDS = 60.0  # how long the upstream may send nothing in the middle of a body
LAST_CHUNK = b"0\r\n\r\n"

STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus if status >= 200
}


class UpstreamResponse(web.StreamResponse):
    """A response for aiohttp that writes to the client's connection itself."""

    def __init__(self, incoming: ProxyRequest, sent: UpstreamRequest, *, close: bool = False) -> None:
        super().__init__(status=sent.exchange.status)
        self._incoming = incoming
        self._sent = sent
        if close or incoming.closes_connection:
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
            await self._stream(request)
        except (ConnectionLost, TimeoutError) as error:
            # The client has received a part: only closing its connection tells it that the response is incomplete.
            if request is not None and request.transport is not None:
                request.transport.abort()
            raise ConnectionResetError("a response was cut off") from error
        finally:
            self._sent.release()
            self._incoming.finish(self.status)

    async def _stream(self, request: web.BaseRequest) -> None:
        exchange = self._sent.exchange
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client has disconnected")
        chunked = exchange.chunked and exchange.expects_body and request.version >= HttpVersion11
        if exchange.chunked and not chunked:
            self._keep_alive = False
        head = self._head(request, chunked)
        if exchange.ended:
            body = exchange.take()
            transport.write(head + (_chunk(body) + LAST_CHUNK if chunked else body))
            return
        transport.write(head)
        while True:
            async with asyncio.timeout(STALL_SECONDS):
                piece = await exchange.read()
                if not piece:
                    break
                if transport.is_closing():
                    raise ConnectionResetError("the client has disconnected")
                transport.write(_chunk(piece) if chunked else piece)
                await request.writer.drain()
        if chunked:
            transport.write(LAST_CHUNK)

    def _head(self, request: web.BaseRequest, chunked: bool) -> bytes:
        exchange = self._sent.exchange
        lines = [STATUS_LINES.get(exchange.status) or b"HTTP/1.1 %d -\r\n" % exchange.status]
        has_security_headers = False
        for name, value in exchange.headers:
            if name in NOT_RETURNED:
                continue
            has_security_headers = has_security_headers or name in SECURITY_NAMES
            lines.append(b"%b: %b\r\n" % (name, value))
        added = self._incoming.response_headers()
        if has_security_headers:  # the upstream's replace the default
            names = {name for name, _ in exchange.headers}
            kept = [line for line in added.split(b"\r\n") if line and line.partition(b":")[0].lower() not in names]
            added = b"".join(line + b"\r\n" for line in kept)
        lines.append(added)
        if chunked:
            lines.append(b"Transfer-Encoding: chunked\r\n")
        elif exchange.has_no_length and exchange.expects_body:
            self._keep_alive = False  # the body ends with the connection
        if not self._keep_alive:
            lines.append(b"Connection: close\r\n")
        elif request.version < HttpVersion11:
            lines.append(b"Connection: keep-alive\r\n")
        lines.append(b"\r\n")
        return b"".join(lines)


def _chunk(piece: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b""
