"""Long-lived work: every part of a process that lives longer than a request is one `async def loop(stop)`.

A loop works until `stop` is set, then finishes what it has in hand and returns. All loops of a process run in
one TaskGroup: one that raises, or returns early, ends the process.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web

from switchboard.runtime.unavailable import Unavailable

log = structlog.get_logger(__name__)


class Stop:
    """The one word to end, given to every loop. Set once, never cleared."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def is_set(self) -> bool:
        """Whether it is time to end."""
        return self._event.is_set()

    def set(self) -> None:
        """It is time to end."""
        self._event.set()

    async def wait(self) -> None:
        """Return when it is time to end."""
        await self._event.wait()

    async def sleep(self, seconds: float) -> bool:
        """Pause for `seconds`, or less when stopping. True when it is time to end."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            pass
        return self._event.is_set()


class Wakeup:
    """Wakes one waiting loop. Set by any number of sources: a notification, a lease that changed, a local call."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        """Wake the loop, at once or when it waits next."""
        self._event.set()

    async def wait(self, stop: Stop, within: float | None = None) -> bool:
        """Wait until set, until stopping, or for `within` seconds, and clear it. True when it was set."""
        waits = [asyncio.ensure_future(self._event.wait()), asyncio.ensure_future(stop.wait())]
        try:
            await asyncio.wait(waits, timeout=within, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        woken = self._event.is_set()
        self._event.clear()
        return woken


Loop = Callable[[Stop], Awaitable[None]]

LOOPS: web.AppKey[list[Loop]] = web.AppKey("loops", list)
"""Loops that an HTTP application brings along; they run beside those of its `App`."""


class EndedEarly(RuntimeError):
    """A loop returned although nobody asked it to stop: its work would be missing without anyone noticing."""


def name_of(loop: Callable[..., object]) -> str:
    """A name for logs."""
    return str(getattr(loop, "__qualname__", None) or type(loop).__qualname__)


async def run_loops(loops: list[Loop], stop: Stop) -> None:
    """Run them all until `stop`. Raises an ExceptionGroup as soon as one has crashed, the others being
    cancelled.
    """
    async with asyncio.TaskGroup() as group:
        for loop in loops:
            group.create_task(_to_the_end(loop, stop), name=name_of(loop))


async def _to_the_end(loop: Loop, stop: Stop) -> None:
    await loop(stop)
    if not stop.is_set():
        raise EndedEarly(f"{name_of(loop)} ended before it was asked to stop")


def repeat(step: Callable[[], Awaitable[object]], *, every: float) -> Loop:
    """A loop that does `step` at once and then each `every` seconds (give or take a tenth, so that instances
    don't act in step). A server being away is waited for; any other error is the process's end.
    """

    async def repeating(stop: Stop) -> None:
        while not stop.is_set():
            try:
                await step()
            except Unavailable as outage:
                log.info("step_postponed", step=name_of(step), reason=str(outage))
            await stop.sleep(every * random.uniform(0.9, 1.1))

    repeating.__qualname__ = f"repeat({name_of(step)})"
    return repeating


class Backoff:
    """Growing pauses, with jitter: about `first`, doubling up to `most` seconds, until `reset`."""

    def __init__(self, first: float = 0.2, most: float = 5.0) -> None:
        self._first = first
        self._most = most
        self._next = first

    def pause(self) -> float:
        """Seconds to wait before the next try."""
        pause, self._next = self._next, min(self._next * 2, self._most)
        return pause * random.uniform(0.8, 1.2)

    def reset(self) -> None:
        """It worked: begin with short pauses again."""
        self._next = self._first
