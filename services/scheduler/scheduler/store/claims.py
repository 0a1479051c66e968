"""Claiming of due work: the leader's SQL, and who holds the firing lease.

A claim is one statement, so its transaction is short and can't be left open. It checks the leader's fencing term on the
database's clock, locks the rows that are unchanged since they were read (revision and due time) and that no other
transaction is changing, writes their new state, and writes their messages to the outbox.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from scheduler.domain.schedules import Remainder, Schedule
from scheduler.store.schedules import COLUMNS, to_schedule
from switchboard.messaging.outbox.rows import INSERT_INTO_OUTBOX, OutboxRow, columns_of
from switchboard.runtime.time_zones import TIME_ZONE_RULES

FIRING_LEASE = "scheduler"
"""The name of the leader lease for firing."""

LIST_DUE = f"select {COLUMNS} from schedules where due_at <= $1 order by due_at limit $2"
NEXT_DUE = "select min(due_at) from schedules where due_at is not null"
CLAIM = f"""
with leader as materialized (
    select 1 from leases where name = $1 and holder = $2 and term = $3 and expires_at > clock_timestamp()
), plan as materialized (
    select * from unnest($4::uuid[], $5::bigint[], $6::timestamptz[], $7::text[], $8::timestamptz[],
                         $9::timestamptz[], $10::timestamptz[], $11::bool[], $12::bool[])
           as p (id, revision, due_at, status, next_at, extra_at, planned_at, fired, late)
), claimed as (
    select s.id from schedules s join plan p using (id)
    where s.revision = p.revision and s.due_at = p.due_at and exists (select from leader)
    for update of s skip locked
), settled as (
    update schedules s set status = p.status, next_at = p.next_at, extra_at = p.extra_at,
        planned_at = p.planned_at, late = case when p.fired then p.late else s.late end,
        fired_at = case when p.fired then $13 else s.fired_at end, updated_at = $13, time_zone_rules = $21
    from plan p where s.id = p.id and s.id in (select id from claimed)
    returning s.id
), sent as (
    {INSERT_INTO_OUTBOX}
    select m.event_id, m.exchange, m.routing_key, m.type, m.subject, m.body
    from unnest($14::uuid[], $15::uuid[], $16::text[], $17::text[], $18::text[], $19::text[], $20::bytea[])
         with ordinality as m (schedule_id, event_id, exchange, routing_key, type, subject, body, position)
    join settled on settled.id = m.schedule_id
    order by m.position
)
select id from settled
"""
HOLD = """
update schedules set held = true, trouble = $3, updated_at = clock_timestamp() where id = $1 and revision = $2
"""
LEADER = "select holder, term, acquired_at, expires_at > clock_timestamp() as valid from leases where name = $1"


@dataclass(frozen=True, slots=True)
class Settlement:
    """A due schedule as it was read, its state after the occurrence, and the messages. `fired`: not skipped."""

    read: Schedule
    status: str
    remainder: Remainder
    fired: bool
    late: bool
    messages: tuple[OutboxRow, ...]


@dataclass(frozen=True)
class Leadership:
    """The holder of the firing lease by the database's clock. `valid`: it has not expired."""

    holder: str
    term: int
    since: datetime
    valid: bool


async def list_due(conn: asyncpg.Connection, now: datetime, limit: int) -> list[Schedule]:
    """The due schedules, the longest due first."""
    return [to_schedule(row) for row in await conn.fetch(LIST_DUE, now, limit)]


async def find_next_due(conn: asyncpg.Connection) -> datetime | None:
    """The earliest due time of all schedules, past or future."""
    at: datetime | None = await conn.fetchval(NEXT_DUE)
    return at


async def claim(
    conn: asyncpg.Connection, lease: tuple[str, str, int], settlements: Sequence[Settlement], now: datetime
) -> set[UUID]:
    """Claim and settle due schedules that are unchanged since they were read, if `lease` is valid.

    `lease`: name, holder and fencing term. Returns the ids of settled schedules.
    """
    messages = [(each.read.id, row) for each in settlements for row in each.messages]
    found = await conn.fetch(
        CLAIM,
        *lease,
        [each.read.id for each in settlements],
        [each.read.revision for each in settlements],
        [each.read.due_at for each in settlements],
        [each.status for each in settlements],
        [each.remainder.next_at for each in settlements],
        [each.remainder.extra_at for each in settlements],
        [each.remainder.planned_at for each in settlements],
        [each.fired for each in settlements],
        [each.late for each in settlements],
        now,
        [schedule_id for schedule_id, _ in messages],
        *columns_of([row for _, row in messages]),
        TIME_ZONE_RULES,
    )
    return {row["id"] for row in found}


async def hold(conn: asyncpg.Connection, schedule: Schedule, trouble: str) -> None:
    """Hold a schedule that can't be fired, for an operator. The others continue."""
    await conn.execute(HOLD, schedule.id, schedule.revision, trouble)


async def find_leader(conn: asyncpg.Connection) -> Leadership | None:
    """The last holder of the firing lease."""
    row = await conn.fetchrow(LEADER, FIRING_LEASE)
    return None if row is None else Leadership(row["holder"], row["term"], row["acquired_at"], row["valid"])


async def wake_firing_loop(conn: asyncpg.Connection, channel: str) -> None:
    """Notify at once. An operator command would end before a batched notification is sent."""
    await conn.execute("select pg_notify($1, '')", channel)
