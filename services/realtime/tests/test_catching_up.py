"""Coming back after a while, to any instance."""

from __future__ import annotations

import asyncio

from realtime.log.event_log import Bounds, EventLog
from switchboard.contracts.conversations import ConversationRead
from switchboard.runtime.redis import open_redis
from switchboard.testing import becomes, until

from .world import ANNA, BEN, Client, World, open_world, read_by


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
        for start in range(0, 1200, 20):
            await world.append(*(read_by(ANNA, seq) for seq in range(start, start + 20)))
            await asyncio.sleep(0)

    pouring = asyncio.create_task(pour())
    for visit in range(40):
        client = await world.connect(ANNA, to=visit % 2, last_event_id=last)
        assert client.ready["resumed"] is True
        await until(lambda client=client: client.seqs or pouring.done())
        await client.socket.disconnect()
        seen += client.seqs
        last = client.last_event_id
        if len(seen) >= 1200:
            break
    await pouring
    client = await world.connect(ANNA, last_event_id=last)
    await until(lambda: len(seen) + len(client.seqs) == 1200)

    assert seen + client.seqs == list(range(1200))


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

        await until(lambda: cursors(client)[-1:] > [client.ready["last_event_id"]])
        back = await world.connect(ANNA, last_event_id=cursors(client)[-1])
        assert (back.ready["resumed"], back.events) == (True, [])


async def test_who_missed_far_more_than_may_wait_for_one_client_gets_all_of_it(amqp_url: str, redis_url: str) -> None:
    async with open_world(amqp_url, redis_url, socket_backlog_bytes=50_000) as world:
        await world.start()
        before = (await world.connect(ANNA)).last_event_id
        await world.append(*(large(seq, 20_000) for seq in range(200)), large(200, 200_000))

        for transports in (["websocket"], ["polling"]):
            client = await world.connect(ANNA, last_event_id=before, transports=transports)
            await becomes(lambda client=client: client.seqs, list(range(201)), within=20)


async def test_who_polls_catches_up_too(world: World) -> None:
    before = (await world.connect(ANNA)).last_event_id
    await world.append(*(read_by(ANNA, seq) for seq in range(700)))

    client = await world.connect(ANNA, last_event_id=before, transports=["polling"])

    await becomes(lambda: client.seqs, list(range(700)), within=20)
    assert client.ready["resumed"] is True


def cursors(client: Client) -> list[str]:
    return [payload["last_event_id"] for name, payload in client.heard if name == "session.cursor"]


def large(seq: int, size: int) -> ConversationRead:
    return read_by(ANNA, seq).model_copy(update={"contact_phone": "x" * size})
