"""The table `schedules`: add, save, find, lock and list."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

import asyncpg

from scheduler.domain.recurrence.occurrences import Recurrence
from scheduler.domain.schedules import Misfire, Schedule
from switchboard.runtime.refusals import NotFound

COLUMNS = """
id, kind, tenant_id, user_id, status, next_at, extra_at, held, planned_at, revision, recurrence, time_zone,
starts_at, misfire, grace, payload, late, fired_at, trouble, count_spent, time_zone_rules, created_at, updated_at
"""

ADD = """
insert into schedules (id, kind, tenant_id, user_id, status, next_at, extra_at, held, planned_at, revision,
                       recurrence, time_zone, starts_at, misfire, grace, payload, late, fired_at, trouble,
                       count_spent, time_zone_rules, created_at, updated_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $22)
"""
SAVE = """
update schedules set kind = $2, tenant_id = $3, user_id = $4, status = $5, next_at = $6, extra_at = $7,
    held = $8, planned_at = $9, revision = $10, recurrence = $11, time_zone = $12, starts_at = $13,
    misfire = $14, grace = $15, payload = $16, late = $17, fired_at = $18, trouble = $19,
    count_spent = $20, time_zone_rules = $21, updated_at = $22
where id = $1
"""
GET = f"select {COLUMNS} from schedules where id = $1 and kind = $2 and tenant_id = $3"
LIST_OWNED = f"""
select {COLUMNS} from schedules
where tenant_id = $1 and kind = $2 and ($3::uuid is null or user_id = $3) and status <> all($4::text[])
  and ($5::timestamptz is null or (planned_at, id) > ($5, $6::uuid))
order by planned_at, id limit $7
"""
FIND_ANY = f"select {COLUMNS} from schedules where id = $1"
_ANY = f"select {COLUMNS} from schedules where ($1::text is null or kind = $1) and ($2::uuid is null or tenant_id = $2)"
LIST_DUE_SOON = _ANY + " and due_at is not null order by due_at limit $3"
LOCK_PLANNED_EARLIER = f"""
select {COLUMNS} from schedules where recurrence is not null and next_at is not null and time_zone_rules < $1
limit $2 for update skip locked
"""
PLAN_AGAIN = """
update schedules set next_at = $3, planned_at = $4, time_zone_rules = $5
where id = $1 and revision = $2 and next_at = $6
"""
LIST_HELD = _ANY + " and held order by planned_at limit $3"
LIST_FINISHED = _ANY + " and due_at is null and not held order by planned_at desc limit $3"


async def add_schedule(conn: asyncpg.Connection, schedule: Schedule) -> None:
    await conn.execute(ADD, *_to_row(schedule), schedule.created_at)


async def save_schedule(conn: asyncpg.Connection, schedule: Schedule, now: datetime) -> Schedule:
    """Save all columns of a locked schedule. Returns it as saved."""
    await conn.execute(SAVE, *_to_row(schedule), now)
    return replace(schedule, updated_at=now)


async def get_schedule(conn: asyncpg.Connection, kind: str, tenant_id: UUID, schedule_id: UUID) -> Schedule:
    """A tenant's schedule. Raises `NotFound`, also for another tenant's."""
    return _found(await conn.fetchrow(GET, schedule_id, kind, tenant_id), kind)


async def lock_schedule(conn: asyncpg.Connection, kind: str, tenant_id: UUID, schedule_id: UUID) -> Schedule:
    """Get and lock a tenant's schedule: no other transaction fires or changes it before this one ends."""
    return _found(await conn.fetchrow(GET + " for update", schedule_id, kind, tenant_id), kind)


async def list_owned(
    conn: asyncpg.Connection,
    kind: str,
    tenant_id: UUID,
    *,
    user_id: UUID | None,
    without: Sequence[str] = (),
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Schedule]:
    """Schedules of a kind, of a tenant or of one user, by planned time. `without`: statuses to leave out."""
    moment, last = after or (None, None)
    rows = await conn.fetch(LIST_OWNED, tenant_id, kind, user_id, list(without), moment, last, limit)
    return [to_schedule(row) for row in rows]


async def find_any(conn: asyncpg.Connection, schedule_id: UUID, *, lock: bool = False) -> Schedule | None:
    """A schedule of any tenant, for operators and for the scheduler itself."""
    row = await conn.fetchrow(FIND_ANY + (" for update" if lock else ""), schedule_id)
    return None if row is None else to_schedule(row)


async def list_any(
    conn: asyncpg.Connection, *, kind: str | None, tenant_id: UUID | None, finished: bool, limit: int
) -> list[Schedule]:
    """Schedules of all tenants: first those due soonest, then held ones, then the last finished ones."""
    found: list[asyncpg.Record] = []
    for statement in (LIST_DUE_SOON, LIST_HELD, *([LIST_FINISHED] if finished else [])):
        found += await conn.fetch(statement, kind, tenant_id, limit - len(found))
    return [to_schedule(row) for row in found]


async def lock_planned_earlier(conn: asyncpg.Connection, zone_rules: str, limit: int) -> list[Schedule]:
    """Lock series whose next time was planned by an earlier edition of the zone rules."""
    return [to_schedule(row) for row in await conn.fetch(LOCK_PLANNED_EARLIER, zone_rules, limit)]


async def plan_again(conn: asyncpg.Connection, old: Schedule, new: Schedule) -> None:
    """Save the next time of a series under other zone rules, unless it was fired or changed since it was read."""
    values = (new.next_at, new.planned_at, new.time_zone_rules)
    await conn.execute(PLAN_AGAIN, old.id, old.revision, *values, old.next_at)


async def lock_kind(conn: asyncpg.Connection, kind: str) -> None:
    """Let one transaction at a time change schedules of this kind."""
    await conn.execute("select pg_advisory_xact_lock(hashtext($1))", f"schedules/{kind}")


async def drop_others(conn: asyncpg.Connection, kind: str, ids: Sequence[UUID]) -> None:
    """Delete the schedules of a kind that are not among `ids`."""
    await conn.execute("delete from schedules where kind = $1 and id <> all($2::uuid[])", kind, list(ids))


def to_schedule(row: asyncpg.Record) -> Schedule:
    """The schedule of a row with all `COLUMNS`."""
    fields = dict(row)
    rule, zone, start = fields.pop("recurrence"), fields.pop("time_zone"), fields.pop("starts_at")
    spent = fields.pop("count_spent")
    fields["misfire"] = Misfire(fields["misfire"])
    return Schedule(**fields, recurrence=None if rule is None else Recurrence(rule, zone, start, spent))


def _found(row: asyncpg.Record | None, kind: str) -> Schedule:
    if row is None:
        raise NotFound(f"there is no such {kind}")
    return to_schedule(row)


def _to_row(schedule: Schedule) -> tuple[object, ...]:
    series = schedule.recurrence
    return (
        schedule.id,
        schedule.kind,
        schedule.tenant_id,
        schedule.user_id,
        schedule.status,
        schedule.next_at,
        schedule.extra_at,
        schedule.held,
        schedule.planned_at,
        schedule.revision,
        series and series.rule,
        series and series.zone,
        series and series.start,
        schedule.misfire.value,
        schedule.grace,
        schedule.payload,
        schedule.late,
        schedule.fired_at,
        schedule.trouble,
        series.spent if series else 0,
        schedule.time_zone_rules,
    )
