"""Uploads share what memory there is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest

from files.adapters.memory_budget import Busy, Room
from switchboard.testing import until

from .world import PNG, noise, open_world, trickle

MIB = 1024 * 1024


async def test_who_finds_no_room_waits_for_it_in_turn() -> None:
    room, came = Room(10), []

    async def hold(length: int, ending: asyncio.Event) -> None:
        async with room.taken(length):
            came.append(length)
            await ending.wait()

    first, rest = asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for length, ending in ((7, first), (8, rest), (2, rest)):
            tasks.create_task(hold(length, ending))
        await until(lambda: came == [7])
        first.set()
        await until(lambda: came == [7, 8, 2])
        rest.set()


async def test_who_waits_too_long_is_told_to_come_back_and_leaves_the_line() -> None:
    room = Room(10, patience=0.05)

    async with AsyncExitStack() as held:
        await held.enter_async_context(room.taken(100))  # all there is
        with pytest.raises(Busy) as refusal:
            await room.taken(1).__aenter__()

    assert refusal.value.headers["Retry-After"] == "5"
    async with room.taken(10):
        pass


async def test_uploads_beyond_the_room_wait_and_are_taken_one_after_another(
    database_url: Callable[[str], str], bucket: dict[str, str]
) -> None:
    async with open_world(database_url("files"), bucket, upload_memory_bytes=10 * MIB) as world:
        going_on = asyncio.Event()

        async def slow() -> AsyncIterator[bytes]:
            async for chunk in trickle(noise(MIB)):
                yield chunk
            await going_on.wait()

        first = asyncio.create_task(world.stream(slow(), None))
        await until(world.rows)
        others = [asyncio.create_task(world.stream(trickle(PNG), None)) for _ in range(3)]
        small = asyncio.create_task(world.upload(PNG, "a.png"))

        async def all_have_begun() -> bool:
            return len(await world.rows()) == 5

        await until(all_have_begun)
        assert {row["state"] for row in await world.rows()} == {"uploading"}
        going_on.set()

        assert [(await task).status for task in (first, *others, small)] == [201] * 5
