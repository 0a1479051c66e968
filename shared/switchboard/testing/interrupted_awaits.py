"""Interrupted awaits: loops in which one await fails, as if a library had raised there."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from types import ModuleType
from typing import Any

import asyncpg

from switchboard.runtime.background import Loop, Stop, run_loops

OF_POSTGRES = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresSystemError,
    asyncpg.InvalidTransactionStateError,
)
WITHIN_SECONDS = 30.0
MOST_AWAITS = 60  # a loop that looks at intervals comes to more in longer time


def connection_errors(library: ModuleType) -> list[type[Exception]]:
    """The errors that a client library may raise while its server or the connection fails, with their subclasses."""
    found = [kind for kind in vars(library).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    if library is asyncpg:
        found = [kind for kind in found if issubclass(kind, OF_POSTGRES)]
    return sorted(set(found), key=lambda kind: kind.__name__)


class InterruptedAwait:
    """Await it: runs `coroutine`, and raises `error` in place of its await number `at`, counted from 0.

    Counted are the points at which it really waits, those of the coroutines that it awaits included.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, None], at: int, error: type[BaseException]) -> None:
        self._coroutine = coroutine
        self._at = at
        self._error = error
        self.was_reached = False

    def __await__(self) -> Generator[Any, Any, None]:
        awaited = 0
        resume: Callable[[Any], Any] = self._coroutine.send
        value: Any = None
        try:
            while True:
                waiting = resume(value)
                if awaited == self._at:
                    self.was_reached = True
                    _abandon(waiting)
                    waiting = self._coroutine.throw(_raised(self._error))
                awaited += 1
                try:
                    yield waiting
                    resume, value = self._coroutine.send, None
                except BaseException as error:
                    resume, value = self._coroutine.throw, error
        except StopIteration:
            return


def _raised(error: type[BaseException]) -> BaseException:
    try:
        return error("interrupted")
    except Exception:  # it needs other arguments
        return error.__new__(error, "interrupted")


def _abandon(waiting: Any) -> None:
    if asyncio.isfuture(waiting):
        waiting._asyncio_future_blocking = False  # as the task does that waits for it
        waiting.cancel()


async def goes_on_or_ends(
    make_loop: Callable[[], Loop], work: Callable[[], Awaitable[None]], error: type[BaseException]
) -> int:
    """Run a loop again and again, with an error in its first await, its second, and so on up to `MOST_AWAITS`.

    Fails unless each time the loop then does its `work`, or ends by an error, which ends a process. Returns the number
    of awaits. `work()` returns when the loop has done something.
    """
    for at in range(MOST_AWAITS):
        if not await _interrupt(make_loop(), work, at, error):
            return at
    return MOST_AWAITS


async def _interrupt(loop: Loop, work: Callable[[], Awaitable[None]], at: int, error: type[BaseException]) -> bool:
    """Returns whether the loop has come to that await."""
    interrupted: list[InterruptedAwait] = []

    async def run(stop: Stop) -> None:
        interrupted.append(InterruptedAwait(_coroutine(loop(stop)), at, error))
        await interrupted[0]

    stop = Stop()
    running = asyncio.create_task(run_loops([run, Stop.wait], stop))
    try:
        for _ in range(2):  # the interruption, and what comes after it
            working = asyncio.ensure_future(work())
            await asyncio.wait([running, working], return_when=asyncio.FIRST_COMPLETED, timeout=WITHIN_SECONDS)
            if running.done():
                working.cancel()
                break
            assert working.done(), f"silence after {error.__name__} in await {at}"
            working.result()
    finally:
        stop.set()
        await asyncio.wait([running], timeout=WITHIN_SECONDS)
    assert running.done(), f"no end after {error.__name__} in await {at}"
    assert not running.cancelled()
    failure = running.exception()
    assert failure is None or isinstance(failure, BaseExceptionGroup)
    return interrupted[0].was_reached


async def _coroutine(awaitable: Awaitable[None]) -> None:
    await awaitable
