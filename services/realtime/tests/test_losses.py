"""Redis restarts, or is away for long."""

from __future__ import annotations

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

from realtime import app
from realtime.consumers import append_to_log
from realtime.log.event_log import EventLog
from realtime.log.stream_ids import Position
from switchboard.contracts.envelope import Envelope
from switchboard.runtime.redis import RedisUnavailable
from switchboard.testing import becomes, until

from .processes import Process, own_redis
from .world import ANNA, BEN, TENANT, Client, World, headers_of, open_world, read_by


@asynccontextmanager
async def world_with_own_redis(amqp_url: str, folder: Path, **settings: object) -> AsyncIterator[tuple[World, Process]]:
    async with own_redis(folder) as (redis, url), open_world(amqp_url, url, **settings) as world:
        await world.start()
        await world.start()
        yield world, redis


async def restart(redis: Process) -> None:
    await redis.end(signal.SIGKILL)
    await redis.start()


def readies(client: Client) -> list[bool]:
    return [payload["resumed"] for name, payload in client.heard if name == "session.ready"]


async def test_a_redis_that_restarted_means_reload_for_all_and_then_all_goes_on(amqp_url: str, tmp_path: Path) -> None:
    async with world_with_own_redis(amqp_url, tmp_path) as (world, redis):
        clients = [await world.connect(who, to=n) for who in (ANNA, BEN) for n in (0, 1)]
        async with aiohttp.ClientSession(world.instances[0].url, headers=headers_of(ANNA)) as http:
            async with http.get("/api/v1/events") as answer:
                before = (await answer.json())["last_event_id"]

            await restart(redis)

            for client in clients:
                await becomes(lambda client=client: readies(client), [False, False], within=20)
            async with http.get("/api/v1/events", params={"after": before, "wait": 25}) as answer:
                assert (await answer.json())["resumed"] is False
        away = await world.connect(ANNA, to=1, last_event_id=before)
        assert away.ready["resumed"] is False
        newest = [payload["last_event_id"] for name, payload in clients[0].heard if name == "session.ready"][-1]
        back = await world.connect(ANNA, to=1, last_event_id=newest)
        assert back.ready["resumed"] is True
        await world.publish(*(read_by(ANNA, seq) for seq in range(20)))
        for client in (clients[0], clients[1], away, back):
            await becomes(lambda client=client: client.seqs, list(range(20)))


async def test_after_a_loss_every_session_is_looked_at_again(amqp_url: str, tmp_path: Path) -> None:
    async with world_with_own_redis(amqp_url, tmp_path, doubt_after="100ms") as (world, redis):
        client = await world.connect(ANNA)

        await restart(redis)

        await until(lambda: client.ended is not None, within=20)
        assert client.ended != "server disconnect"  # which would keep an official client away


@pytest.mark.timeout(120)
async def test_what_comes_while_redis_is_away_waits_at_the_broker_and_arrives_in_order(
    amqp_url: str, tmp_path: Path
) -> None:
    async with world_with_own_redis(amqp_url, tmp_path) as (world, redis):
        client = await world.connect(ANNA)
        await world.publish(read_by(ANNA, 0))
        await becomes(lambda: client.seqs, [0])

        await redis.end(signal.SIGKILL)
        await world.publish(*(read_by(ANNA, seq) for seq in range(1, 400)))
        hanging = asyncio.create_task(world.connect(BEN, auth={"token": "good"}))
        await asyncio.wait({hanging})  # put off, not left hanging
        assert hanging.exception() is not None
        await redis.start()

        await becomes(lambda: logged(world, client.ready["last_event_id"]), list(range(400)), within=40)
        await becomes(lambda: readies(client), [False, False])
        await world.publish(read_by(ANNA, 400))
        await becomes(lambda: client.seqs[-1], 400)
        assert all(after == before + 1 for before, after in pairwise(client.seqs[1:]))


async def logged(world: World, since: str) -> list[int]:
    """What the log holds."""
    position = Position.read(since)
    assert position is not None
    try:
        entries = await world.log.read(TENANT, position.place, 1000)
    except RedisUnavailable:
        return []
    return [orjson.loads(entry.data)["seq"] for entry in entries or ()]


async def test_a_redis_that_hangs_for_a_while_loses_and_doubles_nothing(amqp_url: str, tmp_path: Path) -> None:
    async with world_with_own_redis(amqp_url, tmp_path) as (world, redis):
        client = await world.connect(ANNA)
        redis.send(signal.SIGSTOP)
        publishing = asyncio.create_task(world.publish(*(read_by(ANNA, seq) for seq in range(200))))
        await until(lambda: complains(world), within=30)
        redis.send(signal.SIGCONT)
        await publishing

        await becomes(lambda: client.seqs, list(range(200)), within=40)
        assert readies(client) == [False]  # it is the same Redis: nothing is to be reloaded


async def test_a_redis_that_takes_no_writes_is_asked_before_events_are_taken_from_the_queue_again(
    amqp_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each return counts against the broker's delivery limit, and in the end parks what nobody can help."""
    batches: list[int] = []

    async def append_and_count(envelopes: list[Envelope], log: EventLog) -> None:
        batches.append(len(envelopes))
        await append_to_log(envelopes, log)

    monkeypatch.setattr(app, "append_to_log", append_and_count)
    async with world_with_own_redis(amqp_url, tmp_path) as (world, _), Redis.from_url(world.redis_url) as redis:
        client = await world.connect(ANNA)
        await redis.config_set("maxmemory", 1)

        await world.publish(read_by(ANNA, 1))
        await until(lambda: refused_writes(redis), within=30)
        tries = len(batches)
        await redis.config_set("maxmemory", 0)

        await becomes(lambda: client.seqs, [1], within=20)
    assert tries <= len(world.instances)  # the place at the queue goes to another one, who tries once too


async def refused_writes(redis: Redis) -> bool:
    """Whether it was asked several times if it takes any."""
    told = (await redis.info("commandstats")).get("cmdstat_set", {})
    return int(told.get("rejected_calls", 0)) >= 3


async def complains(world: World) -> bool:
    """An instance has noticed."""
    async with aiohttp.ClientSession() as http, http.get(f"{world.instances[0].url}/health") as answer:
        return bool((await answer.json())["status"] == "degraded")
