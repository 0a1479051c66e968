"""Campaigns while the processes that send them crash. The provider counts what it accepted."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from switchboard.contracts.conversation_commands import CampaignPause, CampaignResume
from switchboard.runtime.redis import open_redis
from switchboard.testing import until

from .campaigns import CAMPAIGN, campaign
from .client import STRANGER, ConversationsClient, open_client
from .processes import Instance, Stack, open_stack

RATE = 400  # a second, of both instances together

Accepted = Callable[[], Awaitable[int]]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]


@pytest.fixture
def url(database_url: Callable[[str], str]) -> str:
    return database_url("conversations")


@pytest.mark.parametrize("receipts", [1.0, 0.5])
async def test_no_phone_gets_a_message_twice_when_processes_are_killed(
    url: str, amqp_url: str, redis_url: str, tmp_path: Path, receipts: float
) -> None:
    phones = _phones(2000)
    async with _stack(url, amqp_url, redis_url, tmp_path) as stack, open_client(url) as client:
        await stack.behave(receipts=receipts)
        await client.deliver(campaign(phones=phones, template="Hello {{name}}"))

        in_flight = await _crash_repeatedly(stack, client, stack.accepted)
        await until(lambda: _is_completed(client), within=150)
        await until(lambda: _receipts_are_in(stack), within=150)
        accepted = (await stack.seen())["accepted"]

        await _expect_one_row_each(client, phones)
        by_status = await _by_status(client)
        uncertain = await client.fetch("select id, contact_phone from deliveries where status = 'uncertain'")
        print(f"receipts {receipts}: {by_status}, in flight at the kills: {len(in_flight)}")
        assert set(accepted.values()) == {1}, [phone for phone, n in accepted.items() if n > 1]
        assert {row["id"] for row in uncertain} <= in_flight
        assert set(by_status) <= {"sent", "delivered", "uncertain"}
        not_reached = set(phones) - set(accepted)
        assert not_reached <= {row["contact_phone"] for row in uncertain}
        if receipts == 1.0:  # each that arrived was settled by its receipt
            assert not_reached == {row["contact_phone"] for row in uncertain}


async def test_with_idempotency_keys_each_phone_gets_exactly_one_message(
    url: str, amqp_url: str, redis_url: str, tmp_path: Path
) -> None:
    phones = _phones(2000)
    async with _stack(url, amqp_url, redis_url, tmp_path, provider="sandbox") as stack, open_client(url) as client:
        await client.deliver(campaign(phones=phones, template="Hello {{name}}"))

        await _crash_repeatedly(stack, client, lambda: _kept(client))
        await until(lambda: _is_completed(client), within=150)

        await _expect_one_row_each(client, phones)
        once = await client.fetch("select count(*) as n, count(distinct recipient) as phones from sandbox_messages")
        assert once == [{"n": 2000, "phones": 2000}]
        assert "uncertain" not in await _by_status(client)


async def test_a_paused_campaign_stays_paused_after_a_restart(
    url: str, amqp_url: str, redis_url: str, tmp_path: Path
) -> None:
    phones = _phones(600)
    async with _stack(url, amqp_url, redis_url, tmp_path) as stack, open_client(url) as client:
        await client.deliver(campaign(phones=phones, template="Hello {{name}}"))
        await until(lambda: _accepted_at_least(stack, 100), within=30)
        await client.deliver(CampaignPause(campaign_id=CAMPAIGN, revision=1))
        for instance in stack.instances:
            await asyncio.to_thread(instance.end)
        before = sum((await stack.seen())["accepted"].values())
        for instance in stack.instances:
            instance.start()
        await until(lambda: _all_ready(stack), within=30)
        await asyncio.sleep(1.5)
        assert sum((await stack.seen())["accepted"].values()) == before

        await client.deliver(CampaignResume(campaign_id=CAMPAIGN, revision=2))
        await until(lambda: _is_completed(client), within=60)

        accepted = (await stack.seen())["accepted"]
        assert (len(accepted), set(accepted.values())) == (600, {1})


async def test_a_failing_provider_neither_loses_nor_repeats_messages(
    url: str, amqp_url: str, redis_url: str, tmp_path: Path
) -> None:
    phones = _phones(400)
    async with _stack(url, amqp_url, redis_url, tmp_path) as stack, open_client(url) as client:
        await stack.behave(throttled=0.5, retry_after=0.1, broken=0.03, refused_500=0.02, hanging=0.01)
        await client.deliver(campaign(phones=phones, template="Hello {{name}}"))
        await until(lambda: _accepted_at_least(stack, 200), within=100)
        slowest = await _factor(redis_url)
        await stack.behave()
        await until(lambda: _is_completed(client), within=100)
        await until(lambda: _receipts_are_in(stack), within=150)

        accepted = (await stack.seen())["accepted"]
        assert set(accepted.values()) == {1}
        uncertain = {row["contact_phone"] for row in await _rows(client, "uncertain")}
        assert set(phones) - set(accepted) == uncertain  # those that got a 500 and were not accepted
        assert len(await _rows(client, "delivered")) == len(accepted)
        assert slowest <= 0.5  # of the full rate


async def test_single_messages_do_not_wait_for_another_tenants_campaign(
    url: str, amqp_url: str, redis_url: str, tmp_path: Path
) -> None:
    async with _stack(url, amqp_url, redis_url, tmp_path) as stack, open_client(url) as client:
        await client.deliver(campaign(phones=_phones(20_000), template="Hello {{name}}"))
        await until(lambda: _accepted_at_least(stack, 200), within=30)
        overtaken, waits = [], []
        for n in range(5):
            phone, before = f"+44207183875{n}", await stack.accepted()
            started = asyncio.get_running_loop().time()
            await client.say(STRANGER, phone, "urgent")
            await until(partial(_reached, stack, phone))
            waits.append(asyncio.get_running_loop().time() - started)
            overtaken.append(await stack.accepted() - before)
        print(f"waits: {[f'{wait:.3f}' for wait in waits]}, of the campaign meanwhile: {overtaken}")
        assert max(overtaken) < RATE  # what the campaign sends in a second
        assert not await _is_completed(client)


def _stack(url: str, amqp_url: str, redis_url: str, logs: Path, *, provider: str = "twilio") -> Any:
    return open_stack(url, amqp_url, redis_url, logs, provider=provider, PROVIDER_RATE=str(RATE), TENANT_RATE=str(RATE))


async def _crash_repeatedly(stack: Stack, client: ConversationsClient, accepted: Accepted) -> set[UUID]:
    """Crash once at each checkpoint, then ten times at random. Returns the deliveries that were in flight."""
    in_flight: set[UUID] = set()
    for points in (("after_claim:3", "after_yes:40"), ("before_settling:10", "before_claim:5")):
        for instance, point in zip(stack.instances, points, strict=True):
            instance.kill()
            in_flight |= await _left_by(instance, client)
            instance.start_crashing(point)
        await until(lambda: all(instance.is_gone() for instance in stack.instances), within=60)
        for instance in stack.instances:
            in_flight |= await _left_by(instance, client)
            instance.start()
    assert not await _is_completed(client)
    for _ in range(10):
        reached = await accepted()
        await until(partial(_advanced, accepted, reached + 60), within=60)
        instance = random.choice(stack.instances)
        instance.kill()
        in_flight |= await _left_by(instance, client)
        instance.start()
    assert not await _is_completed(client)
    return in_flight


async def _left_by(dead: Instance, client: ConversationsClient) -> set[UUID]:
    """The deliveries that a dead process had begun to send and had not settled."""
    rows = await client.fetch(
        "select id from deliveries where status = 'sending' and attempting_at is not null and holder like $1",
        f"{dead.environment['APP_INSTANCE_ID']}/%",
    )
    return {row["id"] for row in rows}


async def _advanced(accepted: Accepted, to: int) -> bool:
    return await accepted() >= to


async def _kept(client: ConversationsClient) -> int:
    (row,) = await client.fetch("select count(*) as n from sandbox_messages")
    return int(row["n"])


async def _expect_one_row_each(client: ConversationsClient, phones: tuple[str, ...]) -> None:
    rows = await client.fetch("select count(*) as n, count(distinct contact_phone) as phones from deliveries")
    assert rows == [{"n": len(phones), "phones": len(phones)}]
    messages = await client.fetch(
        "select c.contact_phone, count(*) as n from messages m join conversations c on c.id = m.conversation_id"
        " group by 1"
    )
    assert {row["n"] for row in messages} == {1}
    assert len(messages) == len(phones)


async def _by_status(client: ConversationsClient) -> dict[str, int]:
    rows = await client.fetch("select status, count(*) as n from deliveries group by 1")
    return {row["status"]: row["n"] for row in rows}


async def _factor(redis_url: str) -> float:
    """The part of its full rate that the account is limited to."""
    async with open_redis(redis_url) as redis:
        return float(await redis.hget("slow:twilio:AC1", "factor") or 1)


async def _rows(client: ConversationsClient, status: str) -> list[dict[str, Any]]:
    return await client.fetch("select contact_phone from deliveries where status = $1", status)


async def _is_completed(client: ConversationsClient) -> bool:
    return bool(await client.fetch("select from campaign_runs where status = 'completed'"))


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
