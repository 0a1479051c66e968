"""Coming back after a while, to any instance."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import aiohttp

from realtime.log import Bounds, EventLog
from switchboard.runtime.redis import open_redis
from switchboard.testing import becomes, until

from .world import ANNA, BEN, World, headers_of, open_world, read_by


async def test_what_was_missed_comes_first_and_then_the_live_stream_on_any_instance(world: World) -> None:
    await world.start()
    before = await world.connect(ANNA)
    await world.append(*(read_by(ANNA, seq) for seq in range(10)))
    await becomes(lambda: before.seqs, list(range(10)))
    await before.socket.disconnect()
    await world.append(*(read_by(who, seq) for seq in range(10, 1500) for who in (ANNA, BEN)))

    after = await world.connect(ANNA, to=1, last_event_id=before.last_event_id)
    await world.append(read_by(ANNA, 1500))

    await becomes(lambda: after.seqs, list(range(10, 1501)))
    assert after.ready["resumed"] is True


async def test_nothing_is_missed_or_doubled_while_events_pour_in(world: World) -> None:
    await world.start()
    seen: list[int] = []
    last = (await world.connect(ANNA)).last_event_id

    async def pour() -> None:
        for start in range(0, 4000, 20):
            await world.append(*(read_by(ANNA, seq) for seq in range(start, start + 20)))
            await asyncio.sleep(0)

    pouring = asyncio.create_task(pour())
    for visit in range(100):
        client = await world.connect(ANNA, to=visit % 2, last_event_id=last)
        assert client.ready["resumed"] is True
        await until(lambda client=client: client.seqs or pouring.done())
        await client.socket.disconnect()
        seen += client.seqs
        last = client.last_event_id
        if len(seen) >= 4000:
            break
    await pouring
    client = await world.connect(ANNA, last_event_id=last)
    await until(lambda: len(seen) + len(client.seqs) == 4000)

    assert seen + client.seqs == list(range(4000))


async def test_a_place_that_the_log_no_longer_reaches_means_reload(amqp_url: str, redis_url: str) -> None:
    async with open_world(amqp_url, redis_url) as world, open_redis(redis_url) as redis:
        await world.start()
        world.log = EventLog(redis, Bounds(entries=100))
        old = (await world.connect(ANNA)).last_event_id
        await world.append(*(read_by(ANNA, seq) for seq in range(1000)))

        client = await world.connect(ANNA, last_event_id=old)
        forged = await world.connect(ANNA, last_event_id=old.replace("-", "x-"))
        future = await world.connect(ANNA, last_event_id=old.partition("-")[0] + "-9999999999999-0")
        await world.append(read_by(ANNA, 1000))

        for each in (client, forged, future):
            await becomes(lambda each=each: each.seqs, [1000])
            assert each.ready["resumed"] is False


async def test_a_quiet_user_is_told_its_place_while_the_log_advances(amqp_url: str, redis_url: str) -> None:
    async with open_world(amqp_url, redis_url, cursor_every="100ms") as world:
        await world.start()
        client = await world.connect(ANNA)

        await world.append(read_by(BEN, 1))

        await until(lambda: [name for name, _ in client.heard] == ["session.ready", "session.cursor"])
        cursor = client.heard[-1][1]["last_event_id"]
        assert cursor > client.ready["last_event_id"]


async def test_the_same_events_are_to_be_had_by_long_polling(world: World) -> None:
    async with aiohttp.ClientSession(world.instances[0].url, headers=headers_of(ANNA)) as http:

        async def ask(**query: Any) -> Any:
            async with http.get("/api/v1/events", params=query) as answer:
                assert answer.status == 200, await answer.text()
                return await answer.json()

        start = await ask()
        await world.append(*(read_by(who, seq) for seq in range(5) for who in (ANNA, BEN)))
        first = await ask(after=start["last_event_id"], limit=6)
        rest = await ask(after=first["last_event_id"])
        waiting = asyncio.create_task(ask(after=rest["last_event_id"], wait=10))
        await asyncio.sleep(0.1)
        await world.append(read_by(BEN, 5), read_by(ANNA, 6))
        woken = await waiting

    assert (start["items"], start["resumed"]) == ([], False)
    seqs = [item["data"]["seq"] for page in (first, rest, woken) for item in page["items"]]
    assert seqs == [0, 1, 2, 3, 4, 6]
    assert all(one["event_id"] < two["event_id"] for one, two in pairwise(first["items"] + rest["items"]))
