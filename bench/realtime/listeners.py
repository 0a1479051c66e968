"""Run many cheap Socket.IO clients in one process: they find frames, count them, and measure some delays.

All servers are measured with the same clients. A frame contains the time of sending as the text `"t<seconds>"`.
"""

import asyncio
import base64
import os
import re
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from time import time
from typing import Any
from urllib.parse import urlsplit

import uvloop

SENT_AT = re.compile(rb'"t(\d+\.\d+)"')
SAMPLE_EVERY = 7  # frames: one delay is measured
CONNECT = b"\x81\x82\x00\x00\x00\x0040"  # masked by zeros, like all frames sent here
PONG = b"\x81\x81\x00\x00\x00\x003"


@dataclass
class Tally:
    """Counts the frames of all clients together."""

    frames: int = 0
    first: float = 0.0
    last: float = 0.0
    delays: list[float] = field(default_factory=list)


class Listener(asyncio.Protocol):
    """One client."""

    def __init__(self, tally: Tally, request: bytes, joined: asyncio.Future[None]) -> None:
        self._tally = tally
        self._request = request
        self._joined = joined
        self._rest = b""
        self._upgraded = False
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        transport.write(self._request)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._joined.done():
            self._joined.set_exception(exc or ConnectionError("refused"))

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        if not self._upgraded:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._rest = data
                return
            self._upgraded = True
            self._transport.write(CONNECT)
            data = data[end + 4 :]
        at, length = 0, len(data)
        while length - at >= 2:
            size, start = data[at + 1], at + 2
            if size == 126:
                if length - at < 4:
                    break
                size, start = int.from_bytes(data[at + 2 : at + 4]), at + 4
            elif size == 127:
                if length - at < 10:
                    break
                size, start = int.from_bytes(data[at + 2 : at + 10]), at + 10
            if length < start + size:
                break
            self._take(data, start, start + size)
            at = start + size
        self._rest = data[at:]

    def _take(self, data: bytes, start: int, end: int) -> None:
        if data[start] == 50:  # "2": a ping
            self._transport.write(PONG)
        elif data[start : start + 2] == b"40":
            if not self._joined.done():
                self._joined.set_result(None)
        elif data[start : start + 2] == b"42":
            tally = self._tally
            if tally.frames % SAMPLE_EVERY == 0:
                found = SENT_AT.search(data, start, end)
                if found is None:
                    return
                tally.last = time()
                tally.first = tally.first or tally.last
                tally.delays.append(tally.last - float(found[1]))
                tally.frames += 1
            elif data.find(b'"t1', start, end) > 0:
                tally.frames += 1
                tally.last = time()


def listen(pipe: Connection) -> None:
    """Run the clients' process; it receives commands from the pipe."""
    uvloop.run(_listen(pipe))


async def _listen(pipe: Connection) -> None:
    loop = asyncio.get_running_loop()
    tally = Tally()
    while True:
        command, *values = await loop.run_in_executor(None, pipe.recv)
        if command == "connect":
            for n in range(0, len(values[0]), 50):
                await asyncio.gather(*(_connect(loop, tally, url, headers) for url, headers in values[0][n : n + 50]))
            pipe.send(len(values[0]))
        elif command == "reset":
            tally.frames, tally.first, tally.last, tally.delays = 0, 0.0, 0.0, []
            pipe.send(None)
        elif command == "await":
            wanted, seconds = values
            until = loop.time() + seconds
            while tally.frames < wanted and loop.time() < until:  # noqa: ASYNC110  an event would cost each frame
                await asyncio.sleep(0.02)
            pipe.send((tally.frames, tally.first, tally.last, sorted(tally.delays)))
        else:
            return


async def _connect(loop: asyncio.AbstractEventLoop, tally: Tally, url: str, headers: dict[str, str]) -> None:
    parts = urlsplit(url)
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [
        f"GET /socket.io/?EIO=4&transport=websocket&{parts.query} HTTP/1.1",
        f"Host: {parts.netloc}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {key}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    joined: asyncio.Future[None] = loop.create_future()
    request = ("\r\n".join(lines) + "\r\n\r\n").encode()
    await loop.create_connection(lambda: Listener(tally, request, joined), parts.hostname or "", parts.port or 80)
    await joined
