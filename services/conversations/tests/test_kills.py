"""Campaigns while the processes that send them are killed: the provider's side is counted."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from switchboard.contracts.conversations import CampaignPause, CampaignResume
from switchboard.runtime.redis import open_redis
from switchboard.testing import until

from .campaigns import CAMPAIGN, campaign
from .processes import Instance, Stack, open_stack
from .world import STRANGER, World, open_world

RATE = 400  # a second, of both instances together

Accepted = Callable[[], Awaitable[int]]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]


@pytest.fixture
def url(database_url: Callable[[str], str]) -> str:
    return database_url("conversations")


@pytest.mark.parametrize("receipts", [1.0, 0.5])
async def test_no_phone_gets_two_though_processes_are_killed_again_and_again(
    url: str, amqp_url: str, redis_url: str, tmp_path: Path, receipts: float
) -> None:
    phones = _phones(2000)
    async with _stack(url, amqp_url, redis_url, tmp_path) as stack, open_world(url) as world:
        await stack.behave(receipts=receipts)
        await world.deliver(campaign(phones=phones, template="Hello {{name}}"))

        in_flight = await _kill_at_each_point_and_ten_times(stack, world, stack.accepted)
        await until(lambda: _is_over(world), within=150)
        await until(lambda: _receipts_are_in(stack), within=150)
        accepted = (await stack.seen())["accepted"]

        await _expect_one_row_each(world, phones)
        by_status = await _by_status(world)
        uncertain = await world.fetch("select id, contact_phone from deliveries where status = 'uncertain'")
        print(f"receipts {receipts}: {by_status}, in flight at the kills: {len(in_flight)}")
        assert set(accepted.values()) == {1}, [phone for phone, n in accepted.items() if n > 1]
        assert {row["id"] for row in uncertain} <= in_flight
        assert set(by_status) <= {"sent", "delivered", "uncertain"}
        not_reached = set(phones) - set(accepted)
        assert not_reached <= {row["contact_phone"] for row in uncertain}
        if receipts == 1.0:  # each that arrived was settled by its receipt
            assert not_reached == {row["contact_phone"] for row in uncertain}


async def test_through_a_provider_that_takes_keys_each_gets_exactly_one(
    url: str, amqp_url: str, redis_url: str, tmp_path: Path
) -> None:
    phones = _phones(2000)
    async with _stack(url, amqp_url, redis_url, tmp_path, provider="sandbox") as stack, open_world(url) as world:
        await world.deliver(campaign(phones=phones, template="Hello {{name}}"))

        await _kill_at_each_point_and_ten_times(stack, world, lambda: _kept(world))
        await until(lambda: _is_over(world), within=150)

        await _expect_one_row_each(world, phones)
        once = await world.fetch("select count(*) as n, count(distinct recipient) as phones from sandbox_messages")
        assert once == [{"n": 2000, "phones": 2000}]
        assert "uncertain" not in await _by_status(world)


async def test_a_pause_survives_a_restart_of_everything(
    url: str, amqp_url: str, redis_url: str, tmp_path: Path
) -> None:
    phones = _phones(600)
    async with _stack(url, amqp_url, redis_url, tmp_path) as stack, open_world(url) as world:
        await world.deliver(campaign(phones=phones, template="Hello {{name}}"))
        await until(lambda: _accepted_at_least(stack, 100), within=30)
        await world.deliver(CampaignPause(campaign_id=CAMPAIGN, revision=1))
        for instance in stack.instances:
            await asyncio.to_thread(instance.end)
        before = sum((await stack.seen())["accepted"].values())
        for instance in stack.instances:
            instance.start()
        await until(lambda: _all_ready(stack), within=30)
        await asyncio.sleep(1.5)
        assert sum((await stack.seen())["accepted"].values()) == before

        await world.deliver(CampaignResume(campaign_id=CAMPAIGN, revision=2))
        await until(lambda: _is_over(world), within=60)

        accepted = (await stack.seen())["accepted"]
        assert (len(accepted), set(accepted.values())) == (600, {1})


async def test_a_provider_that_throttles_breaks_and_hangs_loses_nothing_and_doubles_nothing(
    url: str, amqp_url: str, redis_url: str, tmp_path: Path
) -> None:
    phones = _phones(400)
    async with _stack(url, amqp_url, redis_url, tmp_path) as stack, open_world(url) as world:
        await stack.behave(throttled=0.5, retry_after=0.1, broken=0.03, refused_500=0.02, hanging=0.01)
        await world.deliver(campaign(phones=phones, template="Hello {{name}}"))
        await until(lambda: _accepted_at_least(stack, 200), within=100)
        slowest = await _factor(redis_url)
        await stack.behave()
        await until(lambda: _is_over(world), within=100)
        await until(lambda: _receipts_are_in(stack), within=150)

        accepted = (await stack.seen())["accepted"]
        assert set(accepted.values()) == {1}
        uncertain = {row["contact_phone"] for row in await _rows(world, "uncertain")}
        assert set(phones) - set(accepted) == uncertain  # those that got a 500 and were not taken
        assert len(await _rows(world, "delivered")) == len(accepted)
        assert slowest <= 0.5  # of the full pace


async def test_another_tenants_single_messages_do_not_wait_behind_twenty_thousand(
    url: str, amqp_url: str, redis_url: str, tmp_path: Path
) -> None:
    async with _stack(url, amqp_url, redis_url, tmp_path) as stack, open_world(url) as world:
        await world.deliver(campaign(phones=_phones(20_000), template="Hello {{name}}"))
        await until(lambda: _accepted_at_least(stack, 200), within=30)
        overtaken, waits = [], []
        for n in range(5):
            phone, before = f"+44207183875{n}", await stack.accepted()
            started = asyncio.get_running_loop().time()
            await world.say(STRANGER, phone, "urgent")
            await until(partial(_reached, stack, phone))
            waits.append(asyncio.get_running_loop().time() - started)
            overtaken.append(await stack.accepted() - before)
        print(f"waits: {[f'{wait:.3f}' for wait in waits]}, of the campaign meanwhile: {overtaken}")
        assert max(overtaken) < RATE  # what the campaign sends in a second
        assert not await _is_over(world)


def _stack(url: str, amqp_url: str, redis_url: str, logs: Path, *, provider: str = "twilio") -> Any:
    return open_stack(url, amqp_url, redis_url, logs, provider=provider, PROVIDER_RATE=str(RATE), TENANT_RATE=str(RATE))


async def _kill_at_each_point_and_ten_times(stack: Stack, world: World, accepted: Accepted) -> set[UUID]:
    """Once at each named point, then at random moments while it goes on. The deliveries that were in flight then."""
    in_flight: set[UUID] = set()
    for points in (("after_claim:3", "after_yes:40"), ("before_settling:10", "before_claim:5")):
        for instance, point in zip(stack.instances, points, strict=True):
            instance.kill()
            in_flight |= await _left_by(instance, world)
            instance.start(CRASH_AT=point)
        await until(lambda: all(instance.is_gone() for instance in stack.instances), within=60)
        for instance in stack.instances:
            in_flight |= await _left_by(instance, world)
            instance.start()
    assert not await _is_over(world)
    for _ in range(10):
        reached = await accepted()
        await until(partial(_advanced, accepted, reached + 60), within=60)
        instance = random.choice(stack.instances)
        instance.kill()
        in_flight |= await _left_by(instance, world)
        instance.start()
    assert not await _is_over(world)
    return in_flight


async def _left_by(dead: Instance, world: World) -> set[UUID]:
    """What it had begun to send and not settled when it ended."""
    rows = await world.fetch(
        "select id from deliveries where status = 'sending' and attempting_at is not null and holder like $1",
        f"{dead.environment['APP_INSTANCE_ID']}/%",
    )
    return {row["id"] for row in rows}


async def _advanced(accepted: Accepted, to: int) -> bool:
    return await accepted() >= to


async def _kept(world: World) -> int:
    (row,) = await world.fetch("select count(*) as n from sandbox_messages")
    return int(row["n"])


async def _expect_one_row_each(world: World, phones: tuple[str, ...]) -> None:
    rows = await world.fetch("select count(*) as n, count(distinct contact_phone) as phones from deliveries")
    assert rows == [{"n": len(phones), "phones": len(phones)}]
    messages = await world.fetch(
        "select c.contact_phone, count(*) as n from messages m join conversations c on c.id = m.conversation_id"
        " group by 1"
    )
    assert {row["n"] for row in messages} == {1}
    assert len(messages) == len(phones)


async def _by_status(world: World) -> dict[str, int]:
    rows = await world.fetch("select status, count(*) as n from deliveries group by 1")
    return {row["status"]: row["n"] for row in rows}


async def _factor(redis_url: str) -> float:
    """The part of its full pace that the account goes at."""
    async with open_redis(redis_url) as redis:
        return float(await redis.hget("slow:twilio:AC1", "factor") or 1)


async def _rows(world: World, status: str) -> list[dict[str, Any]]:
    return await world.fetch("select contact_phone from deliveries where status = $1", status)


async def _is_over(world: World) -> bool:
    return bool(await world.fetch("select from campaign_runs where status = 'completed'"))


async def _receipts_are_in(stack: Stack) -> bool:
    return bool((await stack.seen())["receipts_due"] == 0)


async def _accepted_at_least(stack: Stack, n: int) -> bool:
    return await stack.accepted() >= n


async def _reached(stack: Stack, phone: str) -> bool:
    return bool(phone in (await stack.seen())["accepted"])


async def _all_ready(stack: Stack) -> bool:
    return all([await stack.is_ready(instance) for instance in stack.instances])


def _phones(n: int) -> tuple[str, ...]:
    return tuple(f"+1415{555_0001 + i}" for i in range(n) if not str(555_0001 + i).endswith("0000"))
