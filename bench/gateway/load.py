"""Generate load: several connections, one request after another on each.

`python -m bench.gateway.load URL CONNECTIONS SECONDS [TOKEN]` prints one JSON line.
"""

import asyncio
import json
import sys
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

import httptools
import uvloop


class Client(asyncio.Protocol):
    """Sends the request again as soon as the answer is complete."""

    def __init__(self, request: bytes, until: float, times: list[float], done: asyncio.Future[None]) -> None:
        self._request = request
        self._until = until
        self._times = times
        self._done = done
        self._parser = httptools.HttpResponseParser(self)
        self._sent_at = 0.0
        self.failures = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_result(None)

    def on_message_complete(self) -> None:
        now = perf_counter()
        self._times.append(now - self._sent_at)
        if self._parser.get_status_code() >= 400:
            self.failures += 1
        if now < self._until:
            self._send()
        else:
            self._transport.close()

    def _send(self) -> None:
        self._sent_at = perf_counter()
        self._transport.write(self._request)


async def load(url: str, connections: int, seconds: float, token: str = "") -> dict[str, float]:
    """Measure requests a second, and latencies in milliseconds."""
    parts = urlsplit(url)
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    request = f"GET {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\n{authorization}\r\n".encode()
    loop = asyncio.get_running_loop()
    began = perf_counter()
    times: list[float] = []
    clients = []
    for _ in range(connections):
        done = loop.create_future()
        _, client = await loop.create_connection(
            lambda done=done: Client(request, began + seconds, times, done),  # type: ignore[misc]
            parts.hostname or "",
            parts.port or 80,
        )
        clients.append((client, done))
    await asyncio.gather(*(done for _, done in clients))
    took = perf_counter() - began
    times.sort()
    return {
        "count": len(times),
        "rps": len(times) / took,
        "p50": times[len(times) // 2] * 1000,
        "p99": times[int(len(times) * 0.99)] * 1000,
        "failures": sum(client.failures for client, _ in clients),
    }


def main() -> None:
    url, connections, seconds, *token = sys.argv[1:]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(load(url, int(connections), float(seconds), *token))))


if __name__ == "__main__":
    main()
