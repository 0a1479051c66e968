"""`bin/switchboard schedule …`: what an operator sees and does of time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, NoReturn
from uuid import UUID

import typer
from rich.pretty import Pretty
from rich.table import Table

from scheduler.actions import operating
from scheduler.actions.operating import AuthsToSay, NothingPlanned
from scheduler.actions.wakeup import SCHEDULES
from scheduler.commands.context import with_database
from scheduler.commands.legacy import import_schedules
from scheduler.domain.schedules import Schedule
from scheduler.store import claims, schedules
from scheduler.workers.health import LEASE
from switchboard.messaging.outbox.unit_of_work import Work, open_work
from switchboard.postgres.database import Database
from switchboard.runtime.terminal import Terminal

app = typer.Typer()
schedule = typer.Typer(help="What is due when: list, show, run now, pause.", no_args_is_help=True)
app.add_typer(schedule, name="schedule")
app.command("import-schedules")(import_schedules)

Id = Annotated[UUID, typer.Argument(help="The schedule's id.", show_default=False)]

WHAT = ("chore", "name", "contact_phone", "note")  # of a payload, for one line of a list

console = Terminal()


@schedule.command("list")
def list_schedules(
    kind: Annotated[str | None, typer.Option(help="reminder, campaign, call, trial, housekeeping.")] = None,
    tenant: Annotated[UUID | None, typer.Option(help="Only this tenant's.")] = None,
    finished: Annotated[bool, typer.Option("--finished", help="Those with nothing more to come as well.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
) -> None:
    """Who leads, and what is due next."""

    async def read(database: Database) -> tuple[claims.Leadership | None, list[Schedule]]:
        async with database.connection() as conn:
            found = await schedules.list_any(conn, kind=kind, tenant_id=tenant, finished=finished, limit=limit)
            return await claims.find_leader(conn, LEASE), found

    leader, found = with_database(read)
    now = datetime.now(UTC)
    console.print(_leader_line(leader, now))
    console.print(_next_line(found, now))
    table = Table("kind", "status", "due", "in", "what", box=None)
    table.add_column("id", no_wrap=True)
    for each in found:
        table.add_row(*_row(each, now))
    console.print(table)


@schedule.command("show")
def show_schedule(schedule_id: Id) -> None:
    """One schedule, whole."""

    async def read(database: Database) -> Schedule | None:
        async with database.connection() as conn:
            return await schedules.find_any(conn, schedule_id)

    console.print(Pretty(_found(with_database(read))))


@schedule.command("run-now")
def run_now(schedule_id: Id) -> None:
    """Once now: a series goes on as planned, a single occurrence doesn't wait for its time."""
    changed = _change(schedule_id, operating.run_now)
    console.print(f"{changed.kind} {changed.id} is due now")


@schedule.command("pause")
def pause(schedule_id: Id) -> None:
    """Nothing of it fires until it is resumed."""
    changed = _change(schedule_id, operating.pause)
    console.print(f"{changed.kind} {changed.id} is paused")


@schedule.command("resume")
def resume(schedule_id: Id) -> None:
    """It goes on; what became due meanwhile fires once, late, or is skipped, as its misfire policy says."""
    changed = _change(schedule_id, operating.resume)
    console.print(f"{changed.kind} {changed.id} goes on")


def _change(schedule_id: UUID, action: Callable[[Work, datetime, UUID], Awaitable[Schedule | None]]) -> Schedule:
    async def change(database: Database) -> Schedule | None:
        async with open_work(database, tenant_id=None) as work:
            changed = await action(work, datetime.now(UTC), schedule_id)
        async with database.connection() as conn:
            await claims.wake_leader(conn, SCHEDULES)
        return changed

    try:
        return _found(with_database(change))
    except (NothingPlanned, AuthsToSay) as refusal:
        _fail(refusal.detail)


def _found(schedule: Schedule | None) -> Schedule:
    if schedule is None:
        _fail("there is no such schedule")
    return schedule


def _fail(reason: str) -> NoReturn:
    Terminal(stderr=True).print(reason)
    raise typer.Exit(1)


def _leader_line(leader: claims.Leadership | None, now: datetime) -> str:
    if leader is None or not leader.valid:
        return "[red]nobody leads[/red]"
    led = (now - leader.since).total_seconds()
    return f"{leader.holder} leads, term {leader.term}, for {led:.0f} s"


def _next_line(found: list[Schedule], now: datetime) -> str:
    due = [each.due_at for each in found if each.due_at is not None]
    if not due:
        return "nothing is planned"
    ahead = (min(due) - now).total_seconds()
    return f"next due in {ahead:.0f} s" if ahead >= 0 else f"[red]the longest due is {-ahead:.1f} s late[/red]"


def _row(each: Schedule, now: datetime) -> list[str]:
    due = each.due_at
    state = f"{each.status} (paused)" if each.held else each.status
    what = next((each.payload[name] for name in WHAT if name in each.payload), each.tenant_id)
    return [
        each.kind,
        state,
        due.isoformat(timespec="seconds").replace("+00:00", "Z") if due else "-",
        f"{(due - now).total_seconds():.0f} s" if due else "-",
        f"{str(what)[:40]} {each.recurrence.rule if each.recurrence else ''}",
        str(each.id),
    ]
