"""One HTTP exchange with an upstream: the response as it arrives, with backpressure for a slow reader."""

import asyncio
from collections import deque
from collections.abc import Callable

HIGH_WATER = 256 * 1024  # bytes buffered of a response; above this the upstream's connection is not read further

Headers = list[tuple[bytes, bytes]]


class RequestNotSent(Exception):
    """No byte of the request was sent: a retry at another instance is safe."""


class ConnectionLost(Exception):
    """The request was sent, and the upstream closed the connection or hangs: it may have taken effect."""


class Exchange:
    """A response: its head once `head` is done, its body chunk by chunk. Fed by the connection.

    `ended`: the whole response has arrived. `pause_upstream(True)` is called when more than `HIGH_WATER` bytes wait
    for the reader, `pause_upstream(False)` when they have been read.
    """

    __slots__ = (
        "_chunks", "_pause_upstream", "_paused", "_reader", "_size", "chunked", "ended", "expects_body", "failure",
        "has_no_length", "head", "headers", "status", "upgraded",
    )  # fmt: skip

    def __init__(
        self, loop: asyncio.AbstractEventLoop, expects_body: bool, pause_upstream: Callable[[bool], None]
    ) -> None:
        self.head: asyncio.Future[None] = loop.create_future()
        self.expects_body = expects_body  # False for HEAD: its response has the headers of a body and no body
        self.status = 0
        self.headers: Headers = []
        self.chunked = False
        self.has_no_length = False  # neither a length nor chunks: the body ends with the connection
        self.ended = False
        self.upgraded = False
        self.failure: Exception | None = None
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._reader: asyncio.Future[None] | None = None
        self._pause_upstream = pause_upstream
        self._paused = False

    def feed_head(self, status: int) -> None:
        self.status = status
        if not self.head.done():
            self.head.set_result(None)

    def feed(self, chunk: bytes) -> None:
        self._chunks.append(chunk)
        self._size += len(chunk)
        if self._size > HIGH_WATER and not self._paused:
            self._paused = True
            self._pause_upstream(True)
        self._wake()

    def end(self) -> None:
        self.ended = True
        self._wake()

    def fail(self, failure: Exception) -> None:
        """Raise `failure` in the reader that waits for more."""
        if self.ended or self.failure is not None:
            return
        self.failure = failure
        if not self.head.done():
            self.head.set_exception(failure)
            self.head.exception()  # marks it as retrieved: the reader may be gone
        self._wake()

    def take(self) -> bytes:
        """The bytes that have arrived and were not read yet; may be empty."""
        chunks = self._chunks
        arrived = chunks.popleft() if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        self._size = 0
        if self._paused:
            self._paused = False
            self._pause_upstream(False)
        return arrived

    def detach(self) -> None:
        """Free the connection for other exchanges. Bytes that have arrived can still be read."""
        if self._paused:
            self._paused = False
            self._pause_upstream(False)
        self._pause_upstream = _ignore

    async def read(self) -> bytes:
        """The next bytes of the body, empty at its end. Raises the exchange's failure."""
        while not self._chunks:
            if self.failure is not None:
                raise self.failure
            if self.ended:
                return b""
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        return self.take()

    async def read_all(self) -> bytes:
        """The whole body."""
        body = bytearray()
        while chunk := await self.read():
            body += chunk
        return bytes(body)

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)


def _ignore(_pause: bool) -> None:
    pass
