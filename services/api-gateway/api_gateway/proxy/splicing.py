"""Splices two connections: after a WebSocket handshake the bytes pass both ways without being parsed."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

from aiohttp import web

from api_gateway.upstreams.connections import UpstreamConnection

OnLost = Callable[[Exception | None], None]


class Pipe(asyncio.Protocol):
    """Writes the bytes read from one connection to the other. A slow writer pauses the reader (backpressure)."""

    __slots__ = ("_on_lost", "_other")

    def __init__(self, other: asyncio.Transport, on_lost: OnLost) -> None:
        self._other = other
        self._on_lost = on_lost

    def data_received(self, data: bytes) -> None:
        self._other.write(data)

    def pause_writing(self) -> None:
        if not self._other.is_closing():
            self._other.pause_reading()

    def resume_writing(self) -> None:
        if not self._other.is_closing():
            self._other.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._other.close()
        self._on_lost(exc)


class _Tail:
    """A payload parser for aiohttp that keeps the bytes which it has read behind the upgrade request."""

    def __init__(self) -> None:
        self.data = b""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.data += data
        return False, b""

    def feed_eof(self) -> None:
        pass


def splice(
    request: web.Request, upstream: UpstreamConnection, head: bytes, on_end: Callable[[], None]
) -> asyncio.Transport:
    """Send the client `head` and join its connection to the upstream's. Returns the client's; closing it closes both.

    `on_end` is called once both are closed. Raises ConnectionResetError when one of them is closed already.
    """
    client = request.transport
    server = upstream.transport
    if client is None or client.is_closing() or server is None or server.is_closing():
        raise ConnectionResetError("one of the connections is closed")
    protocol = request.protocol
    tail = _Tail()
    protocol.set_parser(cast("Any", tail))
    left = 2

    def one_lost(_exc: Exception | None) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            on_end()

    def client_lost(exc: Exception | None) -> None:
        protocol.connection_lost(exc)  # aiohttp's protocol must learn of it too
        one_lost(exc)

    client.write(head + upstream.tail)
    if tail.data:
        server.write(tail.data)
    client.set_protocol(Pipe(server, client_lost))
    server.set_protocol(Pipe(client, one_lost))
    return client
