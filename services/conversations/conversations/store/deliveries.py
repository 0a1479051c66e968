"""The ledger: one row for each recipient. Claimed under a lease, marked just before its call, settled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from switchboard.messaging.outbox.rows import INSERT_INTO_OUTBOX, OutboxRow

# A loose index scan: one probe for each tenant that waits, however many rows it has.
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
"""
LIST_CAMPAIGN_LANES = """
select r.tenant_id, r.id as campaign_id, r.rate_per_second from campaign_runs r
where r.status = 'running' and exists (
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
              d.attempts, coalesce(d.not_after < clock_timestamp(), false) as too_late, d.holder
)
select claimed.*, coalesce(k.opted_out, false) as opted_out, k.name as contact_name
from claimed left join contacts k on k.tenant_id = claimed.tenant_id and k.phone = claimed.contact_phone
order by claimed.contact_phone
"""
CLAIM_SINGLES = _CLAIM.format(lane="lane = 0 and tenant_id = $1")
CLAIM_CAMPAIGN = _CLAIM.format(
    lane="lane = 1 and campaign_id = $1 and exists (select from campaign_runs where id = $1 and status = 'running')"
)
# What changed between claim and call counts: a pause, a cancellation, a STOP, the time.
MARK_ATTEMPTING = """
update deliveries d set attempting_at = clock_timestamp(), lease_until = clock_timestamp() + $4::interval,
    provider = n.provider
from unnest($1::uuid[], $2::text[], $3::text[]) as n (id, holder, provider)
where d.id = n.id and d.holder = n.holder and d.status = 'sending'
  and (d.not_after is null or d.not_after >= clock_timestamp())
  and (d.campaign_id is null
       or exists (select from campaign_runs r where r.id = d.campaign_id and r.status = 'running'))
  and not exists (select from contacts k where k.tenant_id = d.tenant_id and k.phone = d.contact_phone and k.opted_out)
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
# The delivery, its message, the run and the event move together, and only forward.
SETTLE = f"""
with news as (
    select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::uuid[], $8::text[],
                         $9::text[], $10::text[], $11::text[], $12::bytea[])
    as n (id, status, reason, ref, provider, message_status, event_id, exchange, routing_key, type, subject, body)
), moved as (
    update deliveries d set
        status = n.status, reason = n.reason, holder = null, lease_until = null,
        provider_ref = coalesce(n.ref, d.provider_ref), provider = coalesce(n.provider, d.provider),
        sent_at = case when n.status in ('sent', 'delivered', 'read') then coalesce(d.sent_at, clock_timestamp())
                       else d.sent_at end,
        settled_at = coalesce(d.settled_at, clock_timestamp())
    from news n where d.id = n.id and status_rank(n.status) > status_rank(d.status)
    returning d.id, d.campaign_id, d.conversation_id, d.seq
), runs as (
    update campaign_runs set dirty = true
    where status <> 'running' and id in (select campaign_id from moved where campaign_id is not null)
), told as (
    update messages m set status = n.message_status, error = n.reason
    from moved join news n using (id)
    where m.conversation_id = moved.conversation_id and m.seq = moved.seq
      and status_rank(n.message_status) > status_rank(m.status)
    returning n.id
), events as (
    {INSERT_INTO_OUTBOX}
    select n.event_id, n.exchange, n.routing_key, n.type, n.subject, n.body from news n join told using (id)
)
select id from moved
"""
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
COLUMNS = """
id, tenant_id, campaign_id, user_id, contact_phone, channel, message_id, seq, status, reason, attempts, provider,
provider_ref, created_at, sent_at, settled_at
"""
FIND = f"select {COLUMNS} from deliveries where id = any($1::uuid[])"
FIND_BY_REF = f"select {COLUMNS} from deliveries where provider = $1 and provider_ref = $2"
LIST_OF_CAMPAIGN = f"""
select {COLUMNS} from deliveries
where tenant_id = $1 and campaign_id = $2 and ($3::text is null or status = $3) and id > $4 order by id limit $5
"""
LIST_UNCERTAIN = f"""
select {COLUMNS} from deliveries
where status = 'uncertain' and ($1::uuid is null or tenant_id = $1) order by id limit $2
"""
RESEND = """
update deliveries set status = 'pending', reason = null, settled_at = null, attempting_at = null,
    due_at = clock_timestamp()
where id = $1 and status = 'uncertain' returning id
"""
ADD_NOTICE = """
insert into deliveries (id, tenant_id, lane, user_id, contact_phone, channel, body, not_after)
values ($1, $2, 0, $3, $4, 'sms', $5, $6)
"""
NEXT_DUE = """
select extract(epoch from min(due_at) - clock_timestamp())::float from (
    (select due_at from deliveries where status = 'pending' and lane = 0 and due_at > clock_timestamp()
     order by due_at limit 1)
    union all
    (select d.due_at from campaign_runs r cross join lateral (
        select due_at from deliveries where status = 'pending' and lane = 1 and campaign_id = r.id
        order by due_at limit 1) d where r.status = 'running')
) s
"""


@dataclass(frozen=True)
class Lane:
    """Where deliveries wait: a tenant's single messages, or one campaign."""

    tenant_id: UUID
    campaign_id: UUID | None = None
    rate_per_second: float | None = None


@dataclass(frozen=True)
class Claimed:
    """A delivery that this process holds. `holder`: of this one claim; whoever claims it anew is another."""

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
    opted_out: bool
    contact_name: str | None


@dataclass(frozen=True)
class Expired:
    """A delivery whose holder is gone. `attempted`: its call may have been made."""

    id: UUID
    attempted: bool
    provider: str | None
    attempts: int


@dataclass(frozen=True)
class Delivery:
    """A row of the ledger as others see it."""

    id: UUID
    tenant_id: UUID
    campaign_id: UUID | None
    user_id: UUID
    contact_phone: str
    channel: str
    message_id: UUID | None
    seq: int | None
    status: str
    reason: str | None
    attempts: int
    provider: str | None
    provider_ref: str | None
    created_at: datetime
    sent_at: datetime | None
    settled_at: datetime | None


@dataclass(frozen=True)
class News:
    """What became of a delivery. `event` tells of its message, if it has one."""

    id: UUID
    status: str
    message_status: str
    reason: str | None = None
    ref: str | None = None
    provider: str | None = None
    event: OutboxRow | None = None


async def list_lanes(conn: asyncpg.Connection, *, campaigns: bool) -> list[Lane]:
    """Those with something due: single messages first."""
    lanes = [Lane(row["tenant_id"]) for row in await conn.fetch(LIST_SINGLE_LANES)]
    if campaigns:
        lanes += [Lane(*row) for row in await conn.fetch(LIST_CAMPAIGN_LANES)]
    return lanes


async def claim(conn: asyncpg.Connection, lane: Lane, limit: int, *, holder: str, lease: timedelta) -> list[Claimed]:
    """At most so many of the lane, now held by `holder`."""
    if lane.campaign_id is None:
        rows = await conn.fetch(CLAIM_SINGLES, lane.tenant_id, limit, holder, lease)
    else:
        rows = await conn.fetch(CLAIM_CAMPAIGN, lane.campaign_id, limit, holder, lease)
    return [Claimed(*row) for row in rows]


async def mark_attempting(
    conn: asyncpg.Connection, marks: Sequence[tuple[UUID, str, str]], *, lease: timedelta
) -> set[tuple[UUID, str]]:
    """(delivery, holder, provider) whose call is made next. Of those not in the answer it must not be made."""
    columns = [list(column) for column in zip(*sorted(marks), strict=True)]
    rows = await conn.fetch(MARK_ATTEMPTING, *columns, lease)
    return {(row["id"], row["holder"]) for row in rows}


async def release(conn: asyncpg.Connection, rows: Sequence[tuple[UUID, str, timedelta, bool]]) -> None:
    """Back to the queue: (delivery, holder, for how long, whether this attempt doesn't count)."""
    await conn.execute(RELEASE, *(list(column) for column in zip(*sorted(rows), strict=True)))


async def link_messages(conn: asyncpg.Connection, links: Sequence[tuple[UUID, UUID, UUID, int, str]]) -> None:
    """(delivery, conversation, message, seq, body): the message now stands in the conversation."""
    columns: list[list[object]] = [list(column) for column in zip(*sorted(links), strict=True)]
    await conn.execute(LINK, *columns)


async def settle(conn: asyncpg.Connection, news: Sequence[News]) -> set[UUID]:
    """Those for which that was news. One word for each delivery."""
    news = sorted(news, key=lambda one: one.id)  # one order for all: no deadlock
    events = [one.event for one in news]
    rows = await conn.fetch(
        SETTLE,
        [one.id for one in news],
        [one.status for one in news],
        [one.reason for one in news],
        [one.ref for one in news],
        [one.provider for one in news],
        [one.message_status for one in news],
        [event and event.event_id for event in events],
        [event and event.exchange for event in events],
        [event and event.routing_key for event in events],
        [event and event.type for event in events],
        [event and event.subject for event in events],
        [event and event.body for event in events],
    )
    return {row["id"] for row in rows}


async def lock_expired(conn: asyncpg.Connection) -> list[Expired]:
    return [Expired(*row) for row in await conn.fetch(LOCK_EXPIRED)]


async def return_expired(conn: asyncpg.Connection, ids: Sequence[UUID]) -> None:
    """Back to the queue."""
    await conn.execute(RETURN_EXPIRED, list(ids))


async def find_deliveries(conn: asyncpg.Connection, ids: Sequence[UUID]) -> list[Delivery]:
    return [Delivery(*row) for row in await conn.fetch(FIND, list(ids))]


async def find_delivery_by_ref(conn: asyncpg.Connection, provider: str, ref: str) -> Delivery | None:
    row = await conn.fetchrow(FIND_BY_REF, provider, ref)
    return None if row is None else Delivery(*row)


async def list_of_campaign(
    conn: asyncpg.Connection, tenant_id: UUID, campaign_id: UUID, *, status: str | None, after: UUID, limit: int
) -> list[Delivery]:
    rows = await conn.fetch(LIST_OF_CAMPAIGN, tenant_id, campaign_id, status, after, limit)
    return [Delivery(*row) for row in rows]


async def list_uncertain(conn: asyncpg.Connection, tenant_id: UUID | None, limit: int) -> list[Delivery]:
    return [Delivery(*row) for row in await conn.fetch(LIST_UNCERTAIN, tenant_id, limit)]


async def resend(conn: asyncpg.Connection, delivery_id: UUID) -> bool:
    """Whether it was uncertain; then it is sent again."""
    return await conn.fetchval(RESEND, delivery_id) is not None


async def add_notice(
    conn: asyncpg.Connection,
    delivery_id: UUID,
    tenant_id: UUID,
    user_id: UUID,
    phone: str,
    body: str,
    not_after: datetime,
) -> None:
    """A message to a user's own phone, in no conversation."""
    await conn.execute(ADD_NOTICE, delivery_id, tenant_id, user_id, phone, body, not_after)


async def find_next_due(conn: asyncpg.Connection) -> float | None:
    """Seconds until something more is due; None when nothing waits."""
    seconds: float | None = await conn.fetchval(NEXT_DUE)
    return seconds
