"""One request to an upstream and its answer, as it arrives."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

HIGH_WATER = 256 * 1024  # bytes of an answer that its reader has not taken yet: the upstream is then not read further
LOW_WATER = 64 * 1024

Headers = list[tuple[bytes, bytes]]


class NotSent(Exception):
    """No byte of the request left us: it may go to any other instance."""


class Lost(Exception):
    """The request was sent and the upstream broke off, gave up or hangs: it may have taken effect."""


class Exchange:
    """The answer's head once `head` is done; its body chunk by chunk. Fed by the connection it travels on.

    `ended`: the whole answer is here. A reader slower than the upstream holds it up at `HIGH_WATER`.
    """

    __slots__ = (
        "_chunks",
        "_held_up",
        "_hold_up",
        "_reader",
        "_size",
        "chunked",
        "ended",
        "failure",
        "has_no_length",
        "head",
        "headers",
        "status",
        "upgraded",
        "wants_body",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, wants_body: bool, hold_up: Callable[[bool], None]) -> None:
        self.head: asyncio.Future[None] = loop.create_future()
        self.wants_body = wants_body  # False for HEAD, whose answer has the headers of a body and none
        self.status = 0
        self.headers: Headers = []
        self.chunked = False
        self.has_no_length = False  # neither a length nor chunks: it ends with the connection
        self.ended = False
        self.upgraded = False
        self.failure: Exception | None = None
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._reader: asyncio.Future[None] | None = None
        self._hold_up = hold_up
        self._held_up = False

    def feed_head(self, status: int) -> None:
        self.status = status
        if not self.head.done():
            self.head.set_result(None)

    def feed(self, chunk: bytes) -> None:
        self._chunks.append(chunk)
        self._size += len(chunk)
        if self._size > HIGH_WATER and not self._held_up:
            self._held_up = True
            self._hold_up(True)
        self._wake()

    def end(self) -> None:
        self.ended = True
        self._wake()

    def fail(self, failure: Exception) -> None:
        """Whoever waits for more gets `failure`."""
        if self.ended or self.failure is not None:
            return
        self.failure = failure
        if not self.head.done():
            self.head.set_exception(failure)
            self.head.exception()  # its waiter may be gone already
        self._wake()

    def take(self) -> bytes:
        """What has arrived so far, as one piece; empty when nothing has."""
        chunks = self._chunks
        whole = chunks.popleft() if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        self._size = 0
        if self._held_up:
            self._held_up = False
            self._hold_up(False)
        return whole

    def let_go(self) -> None:
        """The connection goes on to other things; what arrived can still be read."""
        if self._held_up:
            self._held_up = False
            self._hold_up(False)
        self._hold_up = _nothing_to_hold

    async def read(self) -> bytes:
        """The next bytes of the body, empty at its end. Raises what the exchange failed of."""
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

    async def whole(self) -> bytes:
        """All of the body."""
        body = bytearray()
        while chunk := await self.read():
            body += chunk
        return bytes(body)

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)


def _nothing_to_hold(hold: bool) -> None:
    pass
