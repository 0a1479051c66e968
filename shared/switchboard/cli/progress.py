"""Work on many items at once, under a progress bar."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

T = TypeVar("T")


async def each(
    items: Sequence[T], act: Callable[[T], Awaitable[object]], *, label: str, workers: int, console: Console
) -> None:
    """Run `act` for each item, `workers` at a time. The first error cancels the rest and is raised in a group."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task(label, total=len(items))
        waiting = iter(items)

        async def work() -> None:
            for item in waiting:
                await act(item)
                progress.advance(bar)

        async with asyncio.TaskGroup() as group:  # noqa: TID251  # no time limit follows an error: the command ends
            for _ in range(workers):
                group.create_task(work())
