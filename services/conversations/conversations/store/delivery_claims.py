"""Claiming of due deliveries under a lease, and recovery of those with an expired lease."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

import asyncpg

LEASE = timedelta(seconds=30)

# A loose index scan: one probe for each tenant that has pending rows, however many rows it has.
LIST_SINGLE_LANES = """
with recursive lane as (
    (select tenant_id from deliveries where status = 'pending' and lane = 0 order by tenant_id limit 1)
    union all
    select (select d.tenant_id from deliveries d
            where d.status = 'pending' and d.lane = 0 and d.tenant_id > lane.tenant_id order by d.tenant_id limit 1)
    from lane where lane.tenant_id is not null
)
select tenant_id from lane where tenant_id is not null and exists (
    select from deliveries d where d.status = 'pending' and d.lane = 0 and d.tenant_id = lane.tenant_id
    and d.due_at <= clock_timestamp())
and not exists (select from tenants t where t.id = lane.tenant_id and t.suspended)
"""
LIST_CAMPAIGN_LANES = """
select r.tenant_id, r.id as campaign_id, r.rate_per_second from campaign_runs r
where r.status = 'running' and not exists (select from tenants t where t.id = r.tenant_id and t.suspended)
  and exists (
    select from deliveries d where d.status = 'pending' and d.lane = 1 and d.campaign_id = r.id
    and d.due_at <= clock_timestamp())
"""
_CLAIM = """
with due as (
    select id from deliveries where status = 'pending' and {lane} and due_at <= clock_timestamp()
    order by due_at limit $2 for update skip locked
), claimed as (
    update deliveries d set status = 'sending', holder = $3, attempting_at = null, attempts = attempts + 1,
        lease_until = clock_timestamp() + $4::interval
    from due where d.id = due.id
    returning d.id, d.tenant_id, d.campaign_id, d.user_id, d.contact_phone, d.channel, d.body, d.message_id, d.seq,
              d.attempts, coalesce(d.not_after < clock_timestamp(), false) as too_late, d.holder, d.traceparent
)
select claimed.*, coalesce(c.opted_out, false) as opted_out, k.name as contact_name
from claimed left join contacts k on k.tenant_id = claimed.tenant_id and k.phone = claimed.contact_phone
     left join consents c on c.tenant_id = claimed.tenant_id and c.phone = claimed.contact_phone
order by claimed.contact_phone
"""
CLAIM_SINGLES = _CLAIM.format(lane="lane = 0 and tenant_id = $1")
CLAIM_CAMPAIGN = _CLAIM.format(
    lane="lane = 1 and campaign_id = $1 and exists (select from campaign_runs where id = $1 and status = 'running')"
)
# Checks again what may have changed since the claim: a pause, a cancellation, an opt-out, the deadline, a suspension.
MARK_ATTEMPTING = """
update deliveries d set attempting_at = clock_timestamp(), lease_until = clock_timestamp() + $4::interval,
    provider = n.provider
from unnest($1::uuid[], $2::text[], $3::text[]) as n (id, holder, provider)
where d.id = n.id and d.holder = n.holder and d.status = 'sending'
  and (d.not_after is null or d.not_after >= clock_timestamp())
  and (d.campaign_id is null
       or exists (select from campaign_runs r where r.id = d.campaign_id and r.status = 'running'))
  and not exists (select from consents k where k.tenant_id = d.tenant_id and k.phone = d.contact_phone and k.opted_out)
  and not exists (select from tenants t where t.id = d.tenant_id and t.suspended)
returning d.id, d.holder
"""
RELEASE = """
update deliveries d set status = 'pending', holder = null, lease_until = null, attempting_at = null,
    attempts = d.attempts - n.uncounted::int, due_at = clock_timestamp() + n.pause
from unnest($1::uuid[], $2::text[], $3::interval[], $4::boolean[]) as n (id, holder, pause, uncounted)
where d.id = n.id and d.holder = n.holder and d.status = 'sending'
"""
LINK = """
update deliveries d set conversation_id = n.conversation_id, message_id = n.message_id, seq = n.seq, body = n.body
from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::text[])
     as n (id, conversation_id, message_id, seq, body)
where d.id = n.id
"""
ANY_EXPIRED = "select exists (select from deliveries where status = 'sending' and lease_until < clock_timestamp())"
LOCK_EXPIRED = """
select id, attempting_at is not null as attempted, provider, attempts from deliveries
where status = 'sending' and lease_until < clock_timestamp()
order by lease_until limit 500 for update skip locked
"""
RETURN_EXPIRED = """
update deliveries set status = 'pending', holder = null, lease_until = null, attempting_at = null,
    due_at = clock_timestamp()
where id = any($1::uuid[]) and status = 'sending'
"""
NEXT_DUE = """
select extract(epoch from min(due_at) - clock_timestamp())::float from (
    (select due_at from deliveries where status = 'pending' and lane = 0 and due_at > clock_timestamp()
     order by due_at limit 1)
    union all
    (select d.due_at from campaign_runs r cross join lateral (
        select due_at from deliveries where status = 'pending' and lane = 1 and campaign_id = r.id
        order by due_at limit 1) d
     where r.status = 'running' and not exists (select from tenants t where t.id = r.tenant_id and t.suspended))
) s
"""


@dataclass(frozen=True)
class Lane:
    """One queue of deliveries: a tenant's single messages, or one campaign."""

    tenant_id: UUID
    campaign_id: UUID | None = None
    rate_per_second: float | None = None


@dataclass(frozen=True)
class Claimed:
    """A delivery that this process has claimed. `holder` identifies the claim: each claim has its own."""

    id: UUID
    tenant_id: UUID
    campaign_id: UUID | None
    user_id: UUID
    contact_phone: str
    channel: str
    body: str | None
    message_id: UUID | None
    seq: int | None
    attempts: int
    too_late: bool
    holder: str
    traceparent: str | None  # of the request that caused it; None for a campaign's
    opted_out: bool
    contact_name: str | None


class SendAttempt(NamedTuple):
    """A call to the provider that is about to be made."""

    delivery_id: UUID
    holder: str
    provider: str


class Release(NamedTuple):
    """A claimed delivery that goes back to the queue for `pause`. `uncounted`: this attempt does not count."""

    delivery_id: UUID
    holder: str
    pause: timedelta
    uncounted: bool


class MessageLink(NamedTuple):
    """The message of a conversation that a campaign's delivery sends."""

    delivery_id: UUID
    conversation_id: UUID
    message_id: UUID
    seq: int
    body: str


@dataclass(frozen=True)
class Expired:
    """A delivery with an expired lease. `attempted`: the provider may have been called."""

    id: UUID
    attempted: bool
    provider: str | None
    attempts: int


async def list_lanes(conn: asyncpg.Connection, *, campaigns: bool) -> list[Lane]:
    """The queues with due deliveries, single messages first."""
    lanes = [Lane(row["tenant_id"]) for row in await conn.fetch(LIST_SINGLE_LANES)]
    if campaigns:
        lanes += [Lane(*row) for row in await conn.fetch(LIST_CAMPAIGN_LANES)]
    return lanes


async def claim(conn: asyncpg.Connection, lane: Lane, limit: int, *, holder: str, lease: timedelta) -> list[Claimed]:
    """Claim at most `limit` due deliveries of the lane for `holder`."""
    if lane.campaign_id is None:
        rows = await conn.fetch(CLAIM_SINGLES, lane.tenant_id, limit, holder, lease)
    else:
        rows = await conn.fetch(CLAIM_CAMPAIGN, lane.campaign_id, limit, holder, lease)
    return [Claimed(*row) for row in rows]


async def mark_attempting(
    conn: asyncpg.Connection, attempts: Sequence[SendAttempt], *, lease: timedelta
) -> set[tuple[UUID, str]]:
    """Mark deliveries just before their provider is called. Only those returned, as (id, holder), may be sent."""
    columns = [list(column) for column in zip(*sorted(attempts), strict=True)]
    rows = await conn.fetch(MARK_ATTEMPTING, *columns, lease)
    return {(row["id"], row["holder"]) for row in rows}


async def release(conn: asyncpg.Connection, rows: Sequence[Release]) -> None:
    """Put claimed deliveries back into the queue, for a retry after their pause."""
    await conn.execute(RELEASE, *(list(column) for column in zip(*sorted(rows), strict=True)))


async def link_messages(conn: asyncpg.Connection, links: Sequence[MessageLink]) -> None:
    columns: list[list[object]] = [list(column) for column in zip(*sorted(links), strict=True)]
    await conn.execute(LINK, *columns)


async def any_expired(conn: asyncpg.Connection) -> bool:
    """Whether any delivery has an expired lease."""
    return bool(await conn.fetchval(ANY_EXPIRED))


async def lock_expired(conn: asyncpg.Connection) -> list[Expired]:
    """Lock deliveries with an expired lease: the process that claimed them ended or hangs."""
    return [Expired(*row) for row in await conn.fetch(LOCK_EXPIRED)]


async def return_expired(conn: asyncpg.Connection, ids: Sequence[UUID]) -> None:
    """Put expired deliveries back into the queue."""
    await conn.execute(RETURN_EXPIRED, list(ids))


async def find_next_due(conn: asyncpg.Connection) -> float | None:
    """Seconds until the next delivery is due; None when none is pending."""
    seconds: float | None = await conn.fetchval(NEXT_DUE)
    return seconds
