"""Settling deliveries: the delivery, its message, its campaign run and the event change in one statement."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from switchboard.contracts.envelope import Envelope
from switchboard.messaging.outbox.numbering import UnnumberedEvent, sequence_text
from switchboard.messaging.outbox.rows import INSERT_INTO_OUTBOX

# Statuses only move forward (`status_rank`).
SETTLE = f"""
with outcome as (
    select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::uuid[], $8::text[],
                         $9::text[], $10::text[], $11::text[], $12::bytea[], $13::bytea[]) with ordinality
    as n (id, status, reason, ref, provider, message_status, event_id, exchange, routing_key, type, subject,
          before, after, position)
), moved as (
    update deliveries d set
        status = n.status, reason = n.reason, holder = null, lease_until = null,
        provider_ref = coalesce(n.ref, d.provider_ref), provider = coalesce(n.provider, d.provider),
        sent_at = case when n.status in ('sent', 'delivered', 'read') then coalesce(d.sent_at, clock_timestamp())
                       else d.sent_at end,
        settled_at = coalesce(d.settled_at, clock_timestamp())
    from outcome n where d.id = n.id and status_rank(n.status) > status_rank(d.status)
    returning d.id, d.campaign_id, d.conversation_id, d.seq
), runs as (
    update campaign_runs set dirty = true
    where status <> 'running' and id in (select campaign_id from moved where campaign_id is not null)
), changed as (
    update messages m set status = n.message_status, error = n.reason
    from moved join outcome n using (id)
    where m.conversation_id = moved.conversation_id and m.seq = moved.seq
      and status_rank(n.message_status) > status_rank(m.status)
    returning n.id, m.conversation_id
), locked as materialized (
    select id from conversations where id in (select conversation_id from changed)
    order by user_id, contact_phone for update
), counted as (
    update conversations c set event_seq = c.event_seq + changes.number
    from (select conversation_id, count(*) as number from changed group by conversation_id) changes
    join locked on locked.id = changes.conversation_id
    where c.id = locked.id
    returning c.id, c.event_seq - changes.number as before
), numbered as materialized (
    select n.*, counted.before + row_number() over (partition by counted.id order by n.position) as sequence
    from changed join counted on counted.id = changed.conversation_id join outcome n on n.id = changed.id
), events as (
    {INSERT_INTO_OUTBOX}
    select event_id, exchange, routing_key, type, subject, before || {sequence_text("sequence")} || after
    from numbered order by position
)
select id, sequence from moved left join numbered using (id)
"""


@dataclass(frozen=True)
class Outcome:
    """The outcome of a delivery. `event` reports its message's new status, if it has a message."""

    id: UUID
    status: str
    message_status: str
    reason: str | None = None
    ref: str | None = None
    provider: str | None = None
    event: UnnumberedEvent | None = None


@dataclass(frozen=True)
class SettledOutcomes:
    """The ids of the deliveries that moved forward, and the events that report their messages' new statuses."""

    moved: set[UUID]
    events: list[Envelope]


async def settle(conn: asyncpg.Connection, outcomes: Sequence[Outcome]) -> SettledOutcomes:
    """Save outcomes, at most one per delivery."""
    outcomes = sorted(outcomes, key=lambda one: one.id)  # every statement locks in this order: no deadlock
    events = [one.event for one in outcomes]
    rows = [event and event.row for event in events]
    found = await conn.fetch(
        SETTLE,
        [one.id for one in outcomes],
        [one.status for one in outcomes],
        [one.reason for one in outcomes],
        [one.ref for one in outcomes],
        [one.provider for one in outcomes],
        [one.message_status for one in outcomes],
        [row and row.event_id for row in rows],
        [row and row.exchange for row in rows],
        [row and row.routing_key for row in rows],
        [row and row.type for row in rows],
        [row and row.subject for row in rows],
        [event and event.before for event in events],
        [event and event.after for event in events],
    )
    numbers = {row["id"]: row["sequence"] for row in found}
    numbered = [
        one.event.numbered(numbers[one.id]) for one in outcomes if one.event is not None and numbers.get(one.id)
    ]
    return SettledOutcomes(set(numbers), numbered)
