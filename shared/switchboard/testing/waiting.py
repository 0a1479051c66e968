"""Waiting for what must come true: the only way a test waits."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def until(predicate: Callable[[], T | Awaitable[T]], within: float = 10.0, *, what: str = "") -> T:
    """Asks `predicate` (plain or async) again and again; its first truthy answer. Fails when none comes in time.

    An assertion that fails inside counts as "not yet"; the last one is shown.
    """
    deadline = time.monotonic() + within
    pause = 0.005
    while True:
        complaint: object = None
        try:
            answer = predicate()
            value: T = await answer if inspect.isawaitable(answer) else answer  # type: ignore[assignment]
            if value:
                return value
            complaint = f"last answer: {value!r}"
        except AssertionError as error:
            complaint = error
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within} s: {what or 'the condition'}; {complaint}")
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, 0.1)
