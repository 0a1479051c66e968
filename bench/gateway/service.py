"""The upstream behind every proxy: it answers each request with the same small JSON, and echoes WebSocket frames.

`python -m bench.gateway.service PORT`. The HTTP part is a bare protocol, fast enough not to be the bottleneck.
"""

import asyncio
import base64
import hashlib
import sys
from typing import Any

import httptools
import uvloop

BODY = b'{"items": [], "next_cursor": null, "note": "a small answer, as most are"}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
WEBSOCKET_MARK = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Service(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._key = b""
        self._frames: bytearray | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        if self._frames is not None:
            self._frames += data
            self._echo()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            accept = base64.b64encode(hashlib.sha1(self._key + WEBSOCKET_MARK).digest())
            self._transport.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: %b\r\n\r\n" % accept
            )
            self._frames = bytearray()

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"sec-websocket-key":
            self._key = value

    def on_message_complete(self) -> None:
        if not self._parser.should_upgrade():
            self._transport.write(ANSWER)

    def _echo(self) -> None:
        """Small masked frames, unmasked and sent back."""
        frames = self._frames
        assert frames is not None
        while len(frames) >= 6 and len(frames) >= (size := frames[1] & 127) + 6:
            mask = frames[2:6]
            payload = bytes(byte ^ mask[n % 4] for n, byte in enumerate(frames[6 : 6 + size]))
            self._transport.write(bytes((frames[0], size)) + payload)
            del frames[: 6 + size]


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Service, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(int(sys.argv[1])))
