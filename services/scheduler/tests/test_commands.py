"""`bin/switchboard schedule …`, as an operator runs it."""

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

from .virtual_time import ANNA, NOON, TENANT, VirtualScheduler


@pytest.fixture
def command(scheduler: VirtualScheduler, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    monkeypatch.setenv("DATABASE_URL", scheduler.url)
    monkeypatch.setattr(commands.console, "width", 200)

    async def run(*words: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, commands.app, ["schedule", *words])

    return run


async def given_reminder(scheduler: VirtualScheduler, **fields: Any) -> str:
    body = {"lead_id": "l", "note": "call back", "remind_at": "2199-05-04T13:00:00Z", **fields}
    return str((await scheduler.call(ANNA, "POST", "/reminders", body)).body["id"])


async def test_the_list_shows_the_leader_and_what_is_due_next(scheduler: VirtualScheduler, command: Any) -> None:
    reminder = await given_reminder(scheduler, recurrence="FREQ=DAILY")

    listed = await command("list")

    assert listed.exit_code == 0
    assert f"{scheduler.firer.lease.holder} is the leader, term 1" in listed.stdout
    assert "next due in" in listed.stdout
    [line] = [line for line in listed.stdout.splitlines() if reminder in line]
    assert "2199-05-04T13:00:00Z" in line
    assert "call back FREQ=DAILY" in line
    assert reminder not in (await command("list", "--kind", "call")).stdout
    assert reminder in (await command("show", reminder)).stdout


async def test_the_list_shows_how_late_the_longest_due_schedule_is(scheduler: VirtualScheduler, command: Any) -> None:
    await given_reminder(scheduler)
    async with scheduler.database.connection() as conn:
        await conn.execute("update schedules set next_at = '2001-01-01Z'")

    assert "the longest due schedule is" in (await command("list")).stdout


async def test_a_trial_is_not_ended_before_its_time(scheduler: VirtualScheduler, command: Any) -> None:
    ends_at = NOON + timedelta(days=1)
    await scheduler.receive(TenantCreated(tenant_id=TENANT, name="Acme", status="trial", trial_ends_at=ends_at))

    refused = await command("run-now", str(timer_of(TENANT)))
    await scheduler.advance(days=2)

    assert (refused.exit_code, "A trial ends at the time that auth has stored" in refused.output) == (1, True)
    assert [each.data["trial_ends_at"] for each in await scheduler.published("trial.expire")] == [
        "2026-05-05T12:00:00Z"
    ]


async def test_run_now_fires_at_once_and_keeps_the_plan(scheduler: VirtualScheduler, command: Any) -> None:
    reminder = await given_reminder(scheduler, recurrence="FREQ=DAILY")

    assert (await command("run-now", reminder)).exit_code == 0
    await scheduler.advance(days=365 * 10)  # the command's clock is the machine's

    shown = (await scheduler.call(ANNA, "GET", f"/reminders/{reminder}")).body
    assert len(await scheduler.published("reminder.fire")) == 1
    assert shown["remind_at"] == "2199-05-04T13:00:00Z"


async def test_a_paused_schedule_does_not_fire_until_it_is_resumed(scheduler: VirtualScheduler, command: Any) -> None:
    reminder = await given_reminder(scheduler, remind_at=(NOON + timedelta(hours=1)).isoformat())

    assert (await command("pause", reminder)).exit_code == 0
    await scheduler.advance(hours=2)
    assert await scheduler.published("reminder.fire") == []
    assert "(paused)" in (await command("list")).stdout
    assert (await command("resume", reminder)).exit_code == 0
    await scheduler.advance(seconds=1)

    [fired] = await scheduler.published("reminder.fire")
    assert UUID(fired.data["reminder_id"]) == UUID(reminder)
    assert fired.data["late"] is True


async def test_an_unknown_or_finished_schedule_is_refused(scheduler: VirtualScheduler, command: Any) -> None:
    reminder = await given_reminder(scheduler, remind_at=NOON.isoformat())
    await scheduler.advance(seconds=1)

    unknown, over = await command("show", str(uuid4())), await command("run-now", reminder)

    assert (unknown.exit_code, over.exit_code) == (1, 1)
    assert "there is no such schedule" in unknown.output
    assert "planned any more" in over.output
