"""Background loops: everything in a process that lives longer than a request is one `async def loop(stop)`.

Graceful shutdown: a loop works until `stop` is set, then finishes its current work and returns. All loops of a process
run together. A loop that ends before, however it ends, ends the process.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

import structlog
from aiohttp import web

from switchboard.runtime.unavailable import Unavailable

CANCEL_AGAIN_SECONDS = 5.0

log = structlog.get_logger(__name__)


class Stop:
    """The signal for graceful shutdown, given to every loop. Set once, never cleared."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def is_set(self) -> bool:
        """Whether the process is shutting down."""
        return self._event.is_set()

    def set(self) -> None:
        """Begin the shutdown."""
        self._event.set()

    async def wait(self) -> None:
        """Return when the shutdown begins."""
        await self._event.wait()

    async def sleep(self, seconds: float) -> bool:
        """Pause for `seconds`, or until the shutdown begins. True when it has begun."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            pass
        return self._event.is_set()


class Wakeup:
    """Wakes one waiting loop. Any number of sources may set it: a notification, a leadership change, a local call."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        """Wake the loop, at once or when it waits next."""
        self._event.set()

    async def wait(self, stop: Stop, within: float | None = None) -> bool:
        """Wait until set, until stopping, or for `within` seconds, and clear it. True when it was set."""
        if not (self._event.is_set() or stop.is_set()):
            await self._wait(stop, within)
        woken = self._event.is_set()
        self._event.clear()
        return woken

    async def _wait(self, stop: Stop, within: float | None) -> None:
        waits = [asyncio.ensure_future(self._event.wait()), asyncio.ensure_future(stop.wait())]
        try:
            await asyncio.wait(waits, timeout=within, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()


Loop = Callable[[Stop], Awaitable[None]]

LOOPS: web.AppKey[list[Loop]] = web.AppKey("loops", list)
"""Loops of an HTTP application. They run together with those of its `App`."""


class LoopEndedEarly(RuntimeError):
    """A loop returned or was cancelled before the shutdown, which would leave its work undone without a trace."""


def qualified_name(loop: Callable[..., object]) -> str:
    return str(getattr(loop, "__qualname__", None) or type(loop).__qualname__)


async def run_loops(loops: Sequence[Loop], stop: Stop) -> None:
    """Run all loops until `stop`. When one ends before, cancel the others and raise an ExceptionGroup.

    Not by a TaskGroup, for which a cancelled task has ended well: libraries cancel the tasks that use a connection
    which they close.
    """
    pending = {asyncio.ensure_future(loop(stop)): qualified_name(loop) for loop in loops}
    failures: list[BaseException] = []
    try:
        while pending and not failures:
            done, _ = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            ended = [_failure(task, pending.pop(task), stop) for task in done]
            failures = [failure for failure in ended if failure is not None]
    finally:
        await cancel_and_wait(pending)
    if failures:
        raise BaseExceptionGroup("loops ended before the shutdown", failures)


def _failure(ended: asyncio.Future[None], name: str, stop: Stop) -> BaseException | None:
    if not ended.cancelled() and (error := ended.exception()):
        return error
    if stop.is_set():
        return None
    return LoopEndedEarly(f"{name} {'was cancelled' if ended.cancelled() else 'ended'} before the shutdown")


async def cancel_and_wait(tasks: Iterable[asyncio.Future[Any]]) -> None:
    """Cancel tasks until they have ended: libraries swallow a cancellation at times. Their errors are logged."""
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        done, left = await asyncio.wait(left, timeout=CANCEL_AGAIN_SECONDS)
        for task in done:
            if not task.cancelled() and (error := task.exception()):
                log.warning("cancelled_with_error", exc_info=error)


def repeat(step: Callable[[], Awaitable[object]], *, every: float) -> Loop:
    """A loop that does `step` now and then every `every` seconds, with a jitter of a tenth.

    While a server is unavailable the step is tried again at the next interval. Any other error ends the process.
    """

    async def repeating(stop: Stop) -> None:
        while not stop.is_set():
            try:
                await step()
            except Unavailable as error:
                log.info("step_postponed", step=qualified_name(step), reason=str(error))
            await stop.sleep(every * random.uniform(0.9, 1.1))

    repeating.__qualname__ = f"repeat({qualified_name(step)})"
    return repeating


class Backoff:
    """Exponential backoff with jitter: about `first` seconds, doubling up to `most`, until `reset`."""

    def __init__(self, first: float = 0.2, most: float = 5.0) -> None:
        self._first = first
        self._most = most
        self._next = first

    def pause(self) -> float:
        """Seconds to wait before the next try."""
        pause, self._next = self._next, min(self._next * 2, self._most)
        return pause * random.uniform(0.8, 1.2)

    def reset(self) -> None:
        """After a success: begin with short pauses again."""
        self._next = self._first
