"""Backpressure: uploads beyond the memory budget wait."""

import asyncio
from collections.abc import AsyncIterator, Callable

from switchboard.testing import until

from .client import PNG, noise, open_client, trickle

MIB = 1024 * 1024


async def test_uploads_beyond_the_memory_budget_wait_and_then_succeed(
    database_url: Callable[[str], str], bucket: dict[str, str]
) -> None:
    async with open_client(database_url("files"), bucket, upload_memory_bytes=10 * MIB) as client:
        going_on = asyncio.Event()

        async def slow() -> AsyncIterator[bytes]:
            async for chunk in trickle(noise(MIB)):
                yield chunk
            await going_on.wait()

        first = asyncio.create_task(client.stream(slow(), None))
        await until(client.rows)
        others = [asyncio.create_task(client.stream(trickle(PNG), None)) for _ in range(3)]
        small = asyncio.create_task(client.upload(PNG, "a.png"))

        async def all_have_begun() -> bool:
            return len(await client.rows()) == 5

        await until(all_have_begun)
        assert {row["state"] for row in await client.rows()} == {"uploading"}
        going_on.set()

        assert [(await task).status for task in (first, *others, small)] == [201] * 5
