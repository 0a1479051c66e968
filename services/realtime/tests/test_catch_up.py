"""Catch-up (resume): clients that reconnect to any instance get what they missed."""

import asyncio

from switchboard.testing import becomes, until

from .client import Client
from .cluster import Cluster, open_cluster
from .fixtures import ANNA, BEN, large, read_by


async def test_missed_events_come_first_then_live_ones_on_any_instance(cluster: Cluster) -> None:
    await cluster.start()
    before = await cluster.connect(ANNA)
    await cluster.append(*(read_by(ANNA, seq) for seq in range(10)))
    await becomes(lambda: before.seqs, list(range(10)))
    await before.socket.disconnect()
    await cluster.append(*(read_by(user, seq) for seq in range(10, 1500) for user in (ANNA, BEN)))

    after = await cluster.connect(ANNA, to=1, last_event_id=before.last_event_id)
    await cluster.append(read_by(ANNA, 1500))

    await becomes(lambda: after.seqs, list(range(10, 1501)))
    assert after.ready["resumed"] is True


async def test_reconnecting_during_a_burst_loses_and_duplicates_nothing(cluster: Cluster) -> None:
    await cluster.start()
    seen: list[int] = []
    last = (await cluster.connect(ANNA)).last_event_id

    async def append_all() -> None:
        for start in range(0, 1200, 20):
            await cluster.append(*(read_by(ANNA, seq) for seq in range(start, start + 20)))
            await asyncio.sleep(0)

    appending = asyncio.create_task(append_all())
    for visit in range(40):
        client = await cluster.connect(ANNA, to=visit % 2, last_event_id=last)
        assert client.ready["resumed"] is True
        await until(lambda client=client: client.seqs or appending.done())
        await client.socket.disconnect()
        seen += client.seqs
        last = client.last_event_id
        if len(seen) >= 1200:
            break
    await appending
    client = await cluster.connect(ANNA, last_event_id=last)
    await until(lambda: len(seen) + len(client.seqs) == 1200)

    assert seen + client.seqs == list(range(1200))


async def test_a_cursor_outside_of_the_log_means_reload(product_amqp_url: str, redis_url: str) -> None:
    async with open_cluster(product_amqp_url, redis_url, log_max_entries=100) as cluster:
        await cluster.start()
        old = (await cluster.connect(ANNA)).last_event_id
        await cluster.append(*(read_by(ANNA, seq) for seq in range(1000)))

        client = await cluster.connect(ANNA, last_event_id=old)
        forged = await cluster.connect(ANNA, last_event_id=old.replace("-", "x-"))
        future = await cluster.connect(ANNA, last_event_id=old.partition("-")[0] + "-9999999999999999")
        older = await cluster.connect(ANNA, last_event_id=old.partition("-")[0] + "-1764000000000-0")
        await cluster.append(read_by(ANNA, 1000))

        for each in (client, forged, future, older):
            await becomes(lambda each=each: each.seqs, [1000])
            assert each.ready["resumed"] is False


async def test_a_quiet_client_gets_a_cursor_while_the_log_advances(product_amqp_url: str, redis_url: str) -> None:
    async with open_cluster(product_amqp_url, redis_url, cursor_every="100ms") as cluster:
        await cluster.start()
        client = await cluster.connect(ANNA)

        await cluster.append(read_by(BEN, 1))

        await until(lambda: cursors(client)[-1:] > [client.ready["last_event_id"]])
        back = await cluster.connect(ANNA, last_event_id=cursors(client)[-1])
        assert (back.ready["resumed"], back.events) == (True, [])


async def test_catch_up_of_more_than_the_backlog_is_complete(product_amqp_url: str, redis_url: str) -> None:
    async with open_cluster(product_amqp_url, redis_url, socket_backlog_bytes=50_000) as cluster:
        await cluster.start()
        before = (await cluster.connect(ANNA)).last_event_id
        await cluster.append(*(large(seq, 20_000) for seq in range(200)), large(200, 200_000))

        for transports in (["websocket"], ["polling"]):
            client = await cluster.connect(ANNA, last_event_id=before, transports=transports)
            await becomes(lambda client=client: client.seqs, list(range(201)), within=20)


async def test_a_polling_client_catches_up_too(cluster: Cluster) -> None:
    before = (await cluster.connect(ANNA)).last_event_id
    await cluster.append(*(read_by(ANNA, seq) for seq in range(700)))

    client = await cluster.connect(ANNA, last_event_id=before, transports=["polling"])

    await becomes(lambda: client.seqs, list(range(700)), within=20)
    assert client.ready["resumed"] is True


def cursors(client: Client) -> list[str]:
    return [payload["last_event_id"] for name, payload in client.received if name == "session.cursor"]
