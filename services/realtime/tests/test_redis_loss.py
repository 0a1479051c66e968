"""Redis restarts, hangs, refuses writes, or is unavailable for long."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import aiohttp
import orjson
import pytest
from redis.asyncio import Redis

from realtime.log.cursors import Cursor
from realtime.log.event_log import EventLog
from switchboard.runtime.redis import RedisUnavailable
from switchboard.testing import becomes, until

from .client import received_until_closed
from .cluster import Cluster, open_cluster
from .fixtures import ANNA, BEN, TENANT, headers_of, read_by
from .processes import Process, private_redis


@asynccontextmanager
async def cluster_with_private_redis(
    product_amqp_url: str, folder: Path, **settings: object
) -> AsyncIterator[tuple[Cluster, Process]]:
    """Two instances, and a Redis that a test may kill."""
    async with private_redis(folder) as (redis, url), open_cluster(product_amqp_url, url, **settings) as cluster:
        await cluster.start()
        await cluster.start()
        yield cluster, redis


async def restart(redis: Process) -> None:
    """Kill Redis and start it again."""
    await redis.end(signal.SIGKILL)
    await redis.start()


async def test_all_clients_reload_after_a_restart_of_redis(product_amqp_url: str, tmp_path: Path) -> None:
    async with cluster_with_private_redis(product_amqp_url, tmp_path) as (cluster, redis):
        clients = [await cluster.connect(user, to=n) for user in (ANNA, BEN) for n in (0, 1)]
        async with aiohttp.ClientSession(cluster.instances[0].url, headers=headers_of(ANNA)) as http:
            async with http.get("/api/v1/events") as answer:
                before = (await answer.json())["last_event_id"]

            await restart(redis)

            for client in clients:
                await becomes(lambda client=client: client.resumed, [False, False], within=20)
            async with http.get("/api/v1/events", params={"after": before, "wait": 25}) as answer:
                assert (await answer.json())["resumed"] is False
        outdated = await cluster.connect(ANNA, to=1, last_event_id=before)
        assert outdated.ready["resumed"] is False
        newest = [payload["last_event_id"] for name, payload in clients[0].received if name == "session.ready"][-1]
        current = await cluster.connect(ANNA, to=1, last_event_id=newest)
        assert current.ready["resumed"] is True
        await cluster.publish(*(read_by(ANNA, seq) for seq in range(20)))
        for client in (clients[0], clients[1], outdated, current):
            await becomes(lambda client=client: client.seqs, list(range(20)))


async def test_all_clients_reload_after_redis_was_emptied(cluster: Cluster, redis_url: str) -> None:
    client = await cluster.connect(ANNA)
    await cluster.append(read_by(ANNA, 1))
    await becomes(lambda: client.seqs, [1])

    async with Redis.from_url(redis_url) as redis:
        await redis.flushdb()
    await cluster.append(read_by(ANNA, 2))

    await becomes(lambda: client.resumed, [False, False])
    await cluster.append(read_by(ANNA, 3))
    await becomes(lambda: client.seqs[-1], 3)


async def test_unverifiable_sessions_have_to_authenticate_again(product_amqp_url: str, tmp_path: Path) -> None:
    async with cluster_with_private_redis(product_amqp_url, tmp_path, doubt_after="100ms") as (cluster, redis):
        client = await cluster.connect(ANNA)

        await restart(redis)

        await until(lambda: client.ended is not None, within=20)
        assert client.ended != "server disconnect"  # after that an official client would not reconnect


@pytest.mark.timeout(120)
async def test_events_queue_at_the_broker_while_redis_is_unavailable(product_amqp_url: str, tmp_path: Path) -> None:
    async with cluster_with_private_redis(product_amqp_url, tmp_path) as (cluster, redis):
        client = await cluster.connect(ANNA)
        await cluster.publish(read_by(ANNA, 0))
        await becomes(lambda: client.seqs, [0])

        await redis.end(signal.SIGKILL)
        await cluster.publish(*(read_by(ANNA, seq) for seq in range(1, 400)))
        messages = await connect_until_closed(cluster.instances[0].url)
        assert not any(message.startswith("44") for message in messages)  # closed soon, and not refused
        await redis.start()

        await becomes(lambda: logged(cluster, client.ready["last_event_id"]), list(range(400)), within=40)
        await becomes(lambda: client.resumed, [False, False])
        await cluster.publish(read_by(ANNA, 400))
        await becomes(lambda: client.seqs[-1], 400)
        assert all(after == before + 1 for before, after in pairwise(client.seqs[1:]))


async def connect_until_closed(url: str) -> list[str]:
    """The messages to a WebSocket client that connects, up to the end of its connection."""
    async with aiohttp.ClientSession(url) as http, http.ws_connect("/socket.io/?EIO=4&transport=websocket") as socket:
        await socket.send_str('40{"token":"good"}')
        return await received_until_closed(socket)


async def logged(cluster: Cluster, since: str) -> list[int]:
    """The numbers of the events in the log."""
    cursor = Cursor.parse(since)
    assert cursor is not None
    try:
        entries = await cluster.log.read(TENANT, cursor.position, 1000)
    except RedisUnavailable:
        return []
    return [orjson.loads(entry.parts[-1])["seq"] for entry in entries or ()]


async def test_a_redis_that_hangs_loses_and_duplicates_nothing(product_amqp_url: str, tmp_path: Path) -> None:
    async with cluster_with_private_redis(product_amqp_url, tmp_path) as (cluster, redis):
        client = await cluster.connect(ANNA)
        redis.send(signal.SIGSTOP)
        publishing = asyncio.create_task(cluster.publish(*(read_by(ANNA, seq) for seq in range(200))))
        await until(lambda: is_degraded(cluster), within=30)
        redis.send(signal.SIGCONT)
        await publishing

        await becomes(lambda: client.seqs, list(range(200)), within=40)
        assert client.resumed == [False]  # it is the same Redis: nothing has to be reloaded


async def test_a_redis_that_refuses_writes_is_checked_before_a_retry(
    product_amqp_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each redelivery counts against the broker's delivery limit; beyond it the events would be dead-lettered."""
    appends = 0
    append = EventLog.append

    async def counted_append(log: EventLog, *arguments: object) -> None:
        nonlocal appends
        appends += 1
        await append(log, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(EventLog, "append", counted_append)
    async with (
        cluster_with_private_redis(product_amqp_url, tmp_path) as (cluster, _),
        Redis.from_url(cluster.redis_url) as redis,
    ):
        client = await cluster.connect(ANNA)
        await redis.config_set("maxmemory", 1)

        await cluster.publish(read_by(ANNA, 1))
        await until(lambda: was_checked_several_times(redis), within=30)
        tries = appends
        await redis.config_set("maxmemory", 0)

        await becomes(lambda: client.seqs, [1], within=20)
    assert tries <= len(cluster.instances)  # the other instance takes over the queue, and tries once too


async def was_checked_several_times(redis: Redis) -> bool:
    """Whether Redis refused the write of the check several times."""
    statistics = (await redis.info("commandstats")).get("cmdstat_set", {})
    return int(statistics.get("rejected_calls", 0)) >= 3


async def is_degraded(cluster: Cluster) -> bool:
    """Whether an instance reports that Redis is unavailable."""
    async with aiohttp.ClientSession() as http, http.get(f"{cluster.instances[0].url}/health") as answer:
        return bool((await answer.json())["status"] == "degraded")
