"""Operator commands `bin/switchboard schedule list / show / run-now / pause / resume`."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import typer
from rich.pretty import Pretty
from rich.table import Table

from scheduler.actions import operating
from scheduler.actions.operating import NothingPlanned, TrialNotMovable
from scheduler.actions.planning import SCHEDULES
from scheduler.commands.legacy import import_schedules
from scheduler.domain.kinds.housekeeping import TASK
from scheduler.domain.schedules import Schedule
from scheduler.store import claims, schedules
from switchboard.cli.context import CommandContext, fail
from switchboard.messaging.outbox.unit_of_work import Work, open_work
from switchboard.postgres.database import Database
from switchboard.runtime.terminal import Terminal

app = typer.Typer()
schedule = typer.Typer(help="Schedules: list, show, run now, pause, resume.", no_args_is_help=True)
app.add_typer(schedule, name="schedule")
app.command("import-schedules")(import_schedules)

Id = Annotated[UUID, typer.Argument(help="The schedule's id.", show_default=False)]

TITLES = (TASK, "name", "contact_phone", "note")  # keys of a payload, for one line of a list

console = Terminal()
context = CommandContext("scheduler")


@schedule.command("list")
def list_schedules(
    kind: Annotated[str | None, typer.Option(help="reminder, campaign, call, trial, housekeeping.")] = None,
    tenant: Annotated[UUID | None, typer.Option(help="Only schedules of this tenant.")] = None,
    finished: Annotated[bool, typer.Option("--finished", help="Include finished schedules.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
) -> None:
    """Show the leader, and the schedules that are due next."""

    async def read(database: Database) -> tuple[claims.Leadership | None, list[Schedule]]:
        async with database.connection() as conn:
            found = await schedules.list_any(conn, kind=kind, tenant_id=tenant, finished=finished, limit=limit)
            return await claims.find_leader(conn), found

    leader, found = context.with_database(read)
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
    """Show all fields of one schedule."""

    async def read(database: Database) -> Schedule | None:
        async with database.connection() as conn:
            return await schedules.find_any(conn, schedule_id)

    console.print(Pretty(_found(context.with_database(read))))


@schedule.command("run-now")
def run_now(schedule_id: Id) -> None:
    """Make a schedule due now. A series keeps its plan; a single occurrence does not wait for its time."""
    changed = _change(schedule_id, operating.run_now)
    console.print(f"{changed.kind} {changed.id} is due now")


@schedule.command("pause")
def pause(schedule_id: Id) -> None:
    """Pause a schedule: nothing of it fires until it is resumed."""
    changed = _change(schedule_id, operating.pause)
    console.print(f"{changed.kind} {changed.id} is paused")


@schedule.command("resume")
def resume(schedule_id: Id) -> None:
    """Resume a schedule. What became due in the meantime fires once, late, or is skipped by the misfire policy."""
    changed = _change(schedule_id, operating.resume)
    console.print(f"{changed.kind} {changed.id} is resumed")


def _change(schedule_id: UUID, action: Callable[[Work, datetime, UUID], Awaitable[Schedule | None]]) -> Schedule:
    async def change(database: Database) -> Schedule | None:
        async with open_work(database, tenant_id=None) as work:
            changed = await action(work, datetime.now(UTC), schedule_id)
        async with database.connection() as conn:
            await claims.wake_firing_loop(conn, SCHEDULES)
        return changed

    try:
        return _found(context.with_database(change))
    except (NothingPlanned, TrialNotMovable) as refusal:
        fail(refusal.detail)


def _found(schedule: Schedule | None) -> Schedule:
    if schedule is None:
        fail("there is no such schedule")
    return schedule


def _leader_line(leader: claims.Leadership | None, now: datetime) -> str:
    if leader is None or not leader.valid:
        return "[red]no instance is the leader[/red]"
    led = (now - leader.since).total_seconds()
    return f"{leader.holder} is the leader, term {leader.term}, for {led:.0f} s"


def _next_line(found: list[Schedule], now: datetime) -> str:
    due = [each.due_at for each in found if each.due_at is not None]
    if not due:
        return "nothing is planned"
    ahead = (min(due) - now).total_seconds()
    return f"next due in {ahead:.0f} s" if ahead >= 0 else f"[red]the longest due schedule is {-ahead:.1f} s late[/red]"


def _row(each: Schedule, now: datetime) -> list[str]:
    due = each.due_at
    state = f"{each.status} (paused)" if each.held else each.status
    title = next((each.payload[name] for name in TITLES if name in each.payload), each.tenant_id)
    return [
        each.kind,
        state,
        due.isoformat(timespec="seconds").replace("+00:00", "Z") if due else "-",
        f"{(due - now).total_seconds():.0f} s" if due else "-",
        f"{str(title)[:40]} {each.recurrence.rule if each.recurrence else ''}",
        str(each.id),
    ]
