"""How much uploads may hold in memory, all together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from switchboard.runtime.refusals import ServiceUnavailable

PATIENCE_SECONDS = 15.0  # less than the gateway lets a body stand still


class Busy(ServiceUnavailable):
    """Too much is being uploaded at the moment: try again later."""

    code = "busy"


class Room:
    """So many bytes; who finds too few left waits, first come first. No body is read meanwhile, so that its client
    waits too."""

    def __init__(self, size: int, patience: float = PATIENCE_SECONDS) -> None:
        self._size = size
        self._free = size
        self._patience = patience
        self._turn = asyncio.Lock()
        self._freed = asyncio.Event()

    @asynccontextmanager
    async def taken(self, length: int) -> AsyncIterator[None]:
        """Room for so many bytes while the block runs; never more than there is at all. Raises `Busy`."""
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
