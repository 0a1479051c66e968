"""Calls and their events."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from switchboard.contracts.conversation_commands import CallPlace
from switchboard.contracts.conversations import CallStatus

COLUMNS = "id, tenant_id, user_id, contact_phone, scheduled_at, status, reason, provider, provider_ref"
ADD = """
insert into calls (id, tenant_id, user_id, contact_phone, scheduled_at, note, status)
values ($1, $2, $3, $4, $5, $6, 'scheduled') on conflict (id) do nothing returning id
"""
ADD_EVENT = """
insert into call_events (call_id, position, tenant_id, kind, detail)
select $1, coalesce(max(position), 0) + 1, $2, $3, $4 from call_events where call_id = $1
"""
LOCK = f"select {COLUMNS} from calls where id = $1 for update"
SAVE = """
update calls set status = $2, reason = coalesce($3, reason), holder = null, lease_until = null,
    provider = coalesce($4, provider), provider_ref = coalesce($5, provider_ref),
    settled_at = case when $2 in ('completed', 'missed', 'failed') then clock_timestamp() end
where id = $1
"""
LOCK_UNFINISHED = f"""
select {COLUMNS} from calls where status in ('scheduled', 'ringing') and due_at < clock_timestamp() - $1::interval
order by due_at limit 500 for update skip locked
"""
CLAIM_DUE = """
with due as (
    select id from calls where status = 'scheduled' and due_at <= clock_timestamp()
      and (lease_until is null or lease_until < clock_timestamp())
      and not exists (select from tenants t where t.id = calls.tenant_id and t.suspended)
    order by due_at limit $1 for update skip locked
)
update calls c set holder = $2, lease_until = clock_timestamp() + $3::interval, attempts = attempts + 1
from due where c.id = due.id
returning c.id, c.tenant_id, c.user_id, c.contact_phone, c.attempts, c.attempting_at is not null as attempted,
    clock_timestamp() - c.created_at as age
"""
MARK_ATTEMPTING = """
update calls set attempting_at = clock_timestamp(), provider = $3
where id = $1 and holder = $2 and status = 'scheduled' and lease_until > clock_timestamp() returning id
"""
RETRY = """
update calls set holder = null, lease_until = null, attempting_at = null, due_at = clock_timestamp() + $2::interval
where id = $1 and status = 'scheduled'
"""
POSTPONE = """
update calls set holder = null, lease_until = null, attempts = attempts - 1, due_at = clock_timestamp() + $2::interval
where id = $1 and status = 'scheduled'
"""
LIST_EVENTS = """
select e.position, e.kind, e.detail, e.at from call_events e join calls c on c.id = e.call_id
where c.tenant_id = $1 and c.id = $2 and ($3::uuid is null or c.user_id = $3) order by e.position
"""


@dataclass(frozen=True)
class Call:
    id: UUID
    tenant_id: UUID
    user_id: UUID
    contact_phone: str
    scheduled_at: datetime
    status: CallStatus
    reason: str | None
    provider: str | None
    provider_ref: str | None


@dataclass(frozen=True)
class ClaimedCall:
    """A claimed call. `attempted`: it may have been placed already. `age`: the time since its command arrived."""

    id: UUID
    tenant_id: UUID
    user_id: UUID
    contact_phone: str
    attempts: int
    attempted: bool
    age: timedelta


@dataclass(frozen=True)
class CallEventRow:
    position: int
    kind: str
    detail: str | None
    at: datetime


async def add_call(conn: asyncpg.Connection, tenant_id: UUID, call: CallPlace) -> bool:
    """Add a call. False when it exists."""
    added = await conn.fetchval(
        ADD, call.call_id, tenant_id, call.user_id, call.contact_phone, call.scheduled_at, call.note
    )
    return added is not None


async def add_call_event(
    conn: asyncpg.Connection, tenant_id: UUID, call_id: UUID, kind: str, detail: str | None = None
) -> None:
    """Append an event to the call's history. Lock the call's row first."""
    await conn.execute(ADD_EVENT, call_id, tenant_id, kind, detail)


async def find_locked_call(conn: asyncpg.Connection, call_id: UUID) -> Call | None:
    row = await conn.fetchrow(LOCK, call_id)
    return None if row is None else Call(*row)


async def save_call(
    conn: asyncpg.Connection,
    call_id: UUID,
    status: CallStatus,
    *,
    reason: str | None = None,
    provider: str | None = None,
    provider_ref: str | None = None,
) -> None:
    """Save a status, and end the claim."""
    await conn.execute(SAVE, call_id, status, reason, provider, provider_ref)


async def lock_unfinished(conn: asyncpg.Connection, older_than: timedelta) -> list[Call]:
    """Calls that have been unfinished for longer than `older_than`, their rows locked."""
    return [Call(*row) for row in await conn.fetch(LOCK_UNFINISHED, older_than)]


async def list_call_events(
    conn: asyncpg.Connection, tenant_id: UUID, call_id: UUID, *, of_user: UUID | None
) -> list[CallEventRow]:
    """The call's events, oldest first. `of_user`: none unless the call is this user's."""
    return [CallEventRow(*row) for row in await conn.fetch(LIST_EVENTS, tenant_id, call_id, of_user)]


async def claim_due_calls(conn: asyncpg.Connection, limit: int, *, holder: str, lease: timedelta) -> list[ClaimedCall]:
    """Claim due calls for `holder`, including those with an expired lease."""
    return [ClaimedCall(*row) for row in await conn.fetch(CLAIM_DUE, limit, holder, lease)]


async def mark_call_attempting(conn: asyncpg.Connection, call_id: UUID, holder: str, provider: str) -> bool:
    """Mark a call just before it is placed. False when the claim is lost."""
    return await conn.fetchval(MARK_ATTEMPTING, call_id, holder, provider) is not None


async def postpone_call(conn: asyncpg.Connection, call_id: UUID, pause: timedelta) -> None:
    """Put a call back for `pause`, without counting the attempt."""
    await conn.execute(POSTPONE, call_id, pause)


async def retry_call(conn: asyncpg.Connection, call_id: UUID, pause: timedelta) -> None:
    """Put a call that did not ring back for a retry after `pause`."""
    await conn.execute(RETRY, call_id, pause)
