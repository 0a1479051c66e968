"""Time slices: long computations give way to the other tasks of the event loop, such as the renewal of a lease."""

import asyncio
from time import perf_counter

SLICE_SECONDS = 0.01


class TimeSlice:
    """The share of the event loop that one computation takes at a time. It calls `give_way` between its steps."""

    def __init__(self, seconds: float = SLICE_SECONDS) -> None:
        self._seconds = seconds
        self._ends = perf_counter() + seconds

    async def give_way(self) -> None:
        """Let the other tasks run if this slice is used up, and begin another."""
        if perf_counter() >= self._ends:
            await asyncio.sleep(0)
            self._ends = perf_counter() + self._seconds
