"""Wait for a condition: the only way a test waits."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")


@overload
async def until(predicate: Callable[..., Awaitable[T]], within: float = 30.0, *, description: str = "") -> T: ...
@overload
async def until(predicate: Callable[..., T], within: float = 30.0, *, description: str = "") -> T: ...
async def until(predicate: Callable[..., Any], within: float = 30.0, *, description: str = "") -> Any:
    """Poll `predicate` (plain or async) until it returns a truthy value, and return that. Fails after `within` seconds.

    A failing assertion inside of it counts as "not yet"; the last one is shown.
    """
    deadline = time.monotonic() + within
    pause = 0.005
    while True:
        complaint: object = None
        try:
            answer = predicate()
            value = await answer if inspect.isawaitable(answer) else answer
            if value:
                return value
            complaint = f"last answer: {value!r}"
        except AssertionError as error:
            complaint = error
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within} s: {description or 'the condition'}; {complaint}")
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, 0.1)


async def becomes(ask: Callable[..., object], expected: object, within: float = 30.0) -> None:
    """Wait until `ask` (plain or async) returns exactly this value."""

    async def as_expected() -> bool:
        answer = ask()
        value = await answer if inspect.isawaitable(answer) else answer
        assert value == expected, f"{value!r} is not {expected!r}"
        return True

    await until(as_expected, within)
