"""`import-schedules`: plans of the legacy platform are imported once, and the others are reported."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner, Result

from scheduler.commands import legacy as importing
from scheduler.commands import schedules as commands
from switchboard.contracts.auth import UserCreated

from .reminders import fired_at
from .virtual_time import ANNA, TENANT, VirtualScheduler

REMINDERS = [
    {"id": "r1", "userId": "old-anna", "leadId": 7, "note": "call back", "remindAt": "2199-05-04T13:00:00Z"},
    {"id": "r2", "userId": "old-anna", "leadId": 8, "remindAt": "2020-01-06T09:00:00", "recurrence": "FREQ=WEEKLY"},
    {"id": "r3", "userId": "old-anna", "leadId": 9, "remindAt": "2020-01-06T09:00:00Z"},
    {"id": "r4", "userId": "old-anna", "leadId": 9, "remindAt": "2020-01-06T09:00:00Z", "status": "SENT"},
    {"id": "r5", "userId": "unknown", "leadId": 9, "remindAt": "2199-05-04T13:00:00Z"},
]
CALLS = [{"id": "c1", "user_id": "old-anna", "phoneNumber": "(415) 555-0100", "scheduledFor": 7238163600000}]
CAMPAIGNS = [
    {
        "id": "k1",
        "createdBy": "old-anna",
        "name": "Spring",
        "message": "Hello {{name}}",
        "recipients": [{"phone": "+14155550100"}, {"phone": "415-555-0101"}],
        "scheduledAt": "2199-05-04T13:00:00Z",
        "status": "scheduled",
    },
    {"id": "k2", "createdBy": "old-anna", "name": "All", "message": "Hi", "scheduledAt": "2199-05-04T13:00:00Z"},
]


@pytest.fixture
def command(scheduler: VirtualScheduler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    monkeypatch.setenv("DATABASE_URL", scheduler.url)
    monkeypatch.setattr(importing.console, "width", 200)
    rows = {"reminders.json": REMINDERS, "calls.json": CALLS, "campaigns.json": CAMPAIGNS}
    for name, content in rows.items():
        (tmp_path / name).write_bytes(orjson.dumps(content))
    (tmp_path / "users.json").write_bytes(orjson.dumps({"old-anna": str(ANNA.user_id)}))
    given = ["import-schedules", "--from", str(tmp_path), "--tenant", str(TENANT)]
    given += ["--user-map", str(tmp_path / "users.json")]

    async def run(*words: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, commands.app, [*given, *words])

    return run


@pytest.fixture
async def anna(scheduler: VirtualScheduler) -> None:
    user = UserCreated(
        user_id=ANNA.user_id, email="a@b.example", name="A", role="agent", disabled=False, notify_phone="+14155550199"
    )
    await scheduler.receive(user)


@pytest.mark.usefixtures("anna")
async def test_plans_that_are_still_to_come_are_imported_once(scheduler: VirtualScheduler, command: Any) -> None:
    first, again = await command(), await command()

    assert "4 planned, 0 were imported before, 1 were over in the legacy platform, 3 left out" in first.stdout
    assert "0 planned, 4 were imported before, 1 were over in the legacy platform, 3 left out" in again.stdout
    assert first.exit_code == 1
    reminders = (await scheduler.call(ANNA, "GET", "/reminders")).body["items"]
    assert {(each["lead_id"], each["note"]) for each in reminders} == {("7", "call back"), ("8", "")}
    [series] = [each for each in reminders if each["recurrence"]]
    assert series["remind_at"].endswith("T09:00:00Z")
    [planned] = (await scheduler.call(ANNA, "GET", "/calls")).body["items"]
    assert (planned["contact_phone"], planned["scheduled_at"]) == ("+14155550100", "2199-05-15T01:00:00Z")
    [campaign] = (await scheduler.call(ANNA, "GET", "/campaigns")).body["items"]
    assert campaign["audience"] == {"phones": ["+14155550100", "+14155550101"]}


@pytest.mark.usefixtures("anna")
async def test_a_row_that_is_left_out_is_reported_with_its_reason(command: Any) -> None:
    output = (await command()).stdout

    assert "reminders.json[2]" in output
    assert "remind_at lies in the past" in output
    assert "user unknown is not in the user map" in output
    assert "names no recipients" in output


@pytest.mark.usefixtures("anna")
async def test_a_dry_run_writes_nothing(scheduler: VirtualScheduler, command: Any) -> None:
    dry = await command("--dry-run")

    assert "4 would be planned, 0 were imported before" in dry.stdout
    assert (await scheduler.call(ANNA, "GET", "/reminders")).body["items"] == []
    assert await scheduler.published() == []


@pytest.mark.usefixtures("anna")
async def test_a_series_continues_with_the_rest_of_its_count(
    scheduler: VirtualScheduler, command: Any, tmp_path: Path
) -> None:
    begun = datetime.now(UTC).replace(microsecond=0) - timedelta(days=8, hours=-1)
    row = {"userId": "old-anna", "leadId": 1, "remindAt": begun.isoformat()}
    rows = [
        {"id": "running", "recurrence": "FREQ=DAILY;COUNT=10", **row},
        {"id": "ended", "recurrence": "DTSTART:20200101T000000Z\nRRULE:FREQ=DAILY;COUNT=3", **row}
        | {"remindAt": "2020-01-01T00:00:00Z"},
    ]
    (tmp_path / "reminders.json").write_bytes(orjson.dumps(rows))
    for name in ("calls.json", "campaigns.json"):
        (tmp_path / name).unlink()

    result = await command()
    scheduler.clock.set(datetime.now(UTC))
    await scheduler.advance(days=30)

    assert "1 planned, 0 were imported before, 1 were over in the legacy platform, 0 left out" in result.stdout
    assert result.exit_code == 0
    fired = [datetime.fromisoformat(each) for each in await fired_at(scheduler)]
    assert fired == [begun + timedelta(days=day) for day in (8, 9)]


async def test_a_row_of_an_unknown_user_is_left_out(command: Any) -> None:
    assert "user old-anna is not known in this tenant" in (await command()).stdout
