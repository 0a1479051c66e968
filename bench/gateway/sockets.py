"""Measure WebSocket echoes: `python -m bench.gateway.sockets URL CONNECTIONS SECONDS` prints one JSON line."""

import asyncio
import base64
import json
import sys
from time import perf_counter
from urllib.parse import urlsplit

import uvloop

MASKED = b"\x82\xa0" + bytes(4) + bytes(32)  # one binary frame of 32 bytes, masked with zeros
ECHO = 34  # bytes of the answer


class Echo(asyncio.Protocol):
    """Sends a frame again as soon as its echo arrives."""

    def __init__(self, url: str, until: float, times: list[float], done: asyncio.Future[None]) -> None:
        self._url = urlsplit(url)
        self._until = until
        self._times = times
        self._done = done
        self._open = False
        self._size = 0
        self._head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        key = base64.b64encode(bytes(16)).decode()
        self._transport.write(
            f"GET {self._url.path}?{self._url.query} HTTP/1.1\r\nHost: {self._url.netloc}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        if not self._open:
            self._head += data
            if b"\r\n\r\n" in self._head:
                assert b" 101 " in self._head, self._head
                self._open = True
                self._send()
            return
        self._size += len(data)
        if self._size >= ECHO:
            self._size = 0
            now = perf_counter()
            self._times.append(now - self._sent_at)
            if now < self._until:
                self._send()
            else:
                self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_result(None)

    def _send(self) -> None:
        self._sent_at = perf_counter()
        self._transport.write(MASKED)


async def echo(url: str, connections: int, seconds: float) -> dict[str, float]:
    """Measure echoes a second, and latencies in milliseconds."""
    loop = asyncio.get_running_loop()
    parts, began = urlsplit(url), perf_counter()
    times: list[float] = []
    finished = []
    for _ in range(connections):
        done = loop.create_future()
        await loop.create_connection(
            lambda done=done: Echo(url, began + seconds, times, done),  # type: ignore[misc]
            parts.hostname or "",
            parts.port or 80,
        )
        finished.append(done)
    await asyncio.gather(*finished)
    took = perf_counter() - began
    times.sort()
    return {
        "count": len(times),
        "rps": len(times) / took,
        "p50": times[len(times) // 2] * 1000,
        "p99": times[int(len(times) * 0.99)] * 1000,
        "failures": 0,
    }


if __name__ == "__main__":
    url, connections, seconds = sys.argv[1:]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(echo(url, int(connections), float(seconds)))))
