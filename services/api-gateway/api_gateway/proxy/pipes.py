"""Bytes passed through both ways between two connections, neither read nor re-framed here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from aiohttp import web

from api_gateway.upstreams.connections import Connection

Lost = Callable[[Exception | None], None]


class Pipe(asyncio.Protocol):
    """One end: what is read here is written to the other. An end that can't take more holds the other's reading up."""

    __slots__ = ("_lost", "_other")

    def __init__(self, other: asyncio.Transport, lost: Lost) -> None:
        self._other = other
        self._lost = lost

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
        self._lost(exc)


class _Tail:
    """What aiohttp has read behind the request that asked for the upgrade, as its payload parser."""

    def __init__(self) -> None:
        self.data = b""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.data += data
        return False, b""

    def feed_eof(self) -> None:
        pass


def splice(request: web.Request, upstream: Connection, head: bytes, ended: Callable[[], None]) -> asyncio.Transport:
    """Answer the client with `head` and join its connection to the upstream's. Returns the client's, to close both.

    `ended()` is called once, when both are gone. Raises ConnectionResetError when one of them is gone already.
    """
    client = request.transport
    server = upstream.transport
    if client is None or client.is_closing() or server is None or server.is_closing():
        raise ConnectionResetError("one side is gone")
    protocol = request.protocol
    tail = _Tail()
    protocol.set_parser(cast("Any", tail))
    left = 2

    def one_lost(_exc: Exception | None) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            ended()

    def client_lost(exc: Exception | None) -> None:
        protocol.connection_lost(exc)  # aiohttp's own end of the connection is told, as it would have been
        one_lost(exc)

    client.write(head + upstream.tail)
    if tail.data:
        server.write(tail.data)
    client.set_protocol(Pipe(server, client_lost))
    server.set_protocol(Pipe(client, one_lost))
    return client
