"""Work on many items under a progress bar."""

import asyncio
from io import StringIO

import pytest
from rich.console import Console

from switchboard.cli.progress import each


async def test_each_handles_every_item_with_at_most_the_given_workers() -> None:
    running, most, done = 0, 0, []

    async def act(item: int) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        done.append(item)
        running -= 1

    await each(range(10), act, label="items", workers=3, console=Console(file=StringIO()))

    assert sorted(done) == list(range(10))
    assert most == 3


async def test_each_raises_the_first_error() -> None:
    async def act(item: int) -> None:
        raise ValueError(item)

    with pytest.raises(ExceptionGroup):
        await each([1, 2], act, label="items", workers=1, console=Console(file=StringIO()))
