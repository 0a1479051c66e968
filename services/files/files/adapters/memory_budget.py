"""The memory budget of uploads: how many bytes all uploads of a process may hold in memory together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from switchboard.runtime.refusals import ServiceUnavailable

WAIT_SECONDS = 15.0  # less than the gateway tolerates a body that makes no progress


class Busy(ServiceUnavailable):
    """Too many uploads are in progress. Try again later."""

    code = "busy"


class MemoryBudget:
    """A number of bytes that uploads share, first come, first served.

    An upload that finds too few bytes left waits. Its body is not read meanwhile: the backpressure reaches its client.
    """

    def __init__(self, size: int, patience: float = WAIT_SECONDS) -> None:
        self._size = size
        self._free = size
        self._patience = patience
        self._turn = asyncio.Lock()
        self._freed = asyncio.Event()

    @asynccontextmanager
    async def reserve(self, length: int) -> AsyncIterator[None]:
        """Hold this many bytes while the block runs, at most the whole budget. Raises `Busy` after the wait."""
        length = min(length, self._size)
        try:
            async with asyncio.timeout(self._patience):
                await self._take(length)
        except TimeoutError:
            raise Busy(retry_after=5) from None
        try:
            yield
        finally:
            self._free += length
            self._freed.set()

    async def _take(self, length: int) -> None:
        async with self._turn:
            while self._free < length:
                self._freed.clear()
                await self._freed.wait()
            self._free -= length
