"""`bin/switchboard schedule …`, as an operator runs it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from typer.testing import CliRunner, Result

from scheduler.commands import schedules as commands
from scheduler.domain.kinds.trial import timer_of
from switchboard.contracts.auth import TenantCreated

from .world import ANNA, NOON, TENANT, World


@pytest.fixture
def command(world: World, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    monkeypatch.setenv("DATABASE_URL", world.url)
    monkeypatch.setattr(commands.console, "width", 200)

    async def run(*words: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, commands.app, ["schedule", *words])

    return run


async def given_reminder(world: World, **fields: Any) -> str:
    body = {"lead_id": "l", "note": "call back", "remind_at": "2199-05-04T13:00:00Z", **fields}
    return str((await world.call(ANNA, "POST", "/reminders", body)).body["id"])


async def test_the_list_says_who_leads_and_what_is_due_next(world: World, command: Any) -> None:
    reminder = await given_reminder(world, recurrence="FREQ=DAILY")

    listed = await command("list")

    assert listed.exit_code == 0
    assert f"{world.leader.lease.holder} leads, term 1" in listed.stdout
    assert "next due in" in listed.stdout
    [line] = [line for line in listed.stdout.splitlines() if reminder in line]
    assert "2199-05-04T13:00:00Z" in line
    assert "call back FREQ=DAILY" in line
    assert reminder not in (await command("list", "--kind", "call")).stdout
    assert reminder in (await command("show", reminder)).stdout


async def test_the_list_says_how_late_the_longest_due_is(world: World, command: Any) -> None:
    await given_reminder(world)
    async with world.database.connection() as conn:
        await conn.execute("update schedules set next_at = '2001-01-01Z'")

    assert "the longest due is" in (await command("list")).stdout


async def test_a_trial_is_not_ended_before_its_time(world: World, command: Any) -> None:
    ends_at = NOON + timedelta(days=1)
    await world.hear(TenantCreated(tenant_id=TENANT, name="Acme", status="trial", trial_ends_at=ends_at))

    refused = await command("run-now", str(timer_of(TENANT)))
    await world.live_for(days=2)

    assert (refused.exit_code, "A trial ends when auth says" in refused.output) == (1, True)
    assert [each.data["trial_ends_at"] for each in await world.sent("trial.expire")] == ["2026-05-05T12:00:00Z"]


async def test_what_is_run_now_is_due_at_once_and_goes_on_as_planned(world: World, command: Any) -> None:
    reminder = await given_reminder(world, recurrence="FREQ=DAILY")

    assert (await command("run-now", reminder)).exit_code == 0
    await world.live_for(days=365 * 10)  # the command's clock is the machine's

    shown = (await world.call(ANNA, "GET", f"/reminders/{reminder}")).body
    assert len(await world.sent("reminder.fire")) == 1
    assert shown["remind_at"] == "2199-05-04T13:00:00Z"


async def test_what_is_paused_does_not_fire_until_it_is_resumed(world: World, command: Any) -> None:
    reminder = await given_reminder(world, remind_at=(NOON + timedelta(hours=1)).isoformat())

    assert (await command("pause", reminder)).exit_code == 0
    await world.live_for(hours=2)
    assert await world.sent("reminder.fire") == []
    assert "(paused)" in (await command("list")).stdout
    assert (await command("resume", reminder)).exit_code == 0
    await world.live_for(seconds=1)

    [fired] = await world.sent("reminder.fire")
    assert UUID(fired.data["reminder_id"]) == UUID(reminder)
    assert fired.data["late"] is True


async def test_what_is_not_there_or_over_is_refused_in_a_word(world: World, command: Any) -> None:
    reminder = await given_reminder(world, remind_at=NOON.isoformat())
    await world.live_for(seconds=1)

    unknown, over = await command("show", str(uuid4())), await command("run-now", reminder)

    assert (unknown.exit_code, over.exit_code) == (1, 1)
    assert "there is no such schedule" in unknown.output
    assert "planned any more" in over.output
