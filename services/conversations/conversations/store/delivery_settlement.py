"""Settling deliveries: the delivery, its message, its campaign run and the event change in one statement."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from switchboard.messaging.outbox.rows import INSERT_INTO_OUTBOX, OutboxRow

# Statuses only move forward (`status_rank`).
SETTLE = f"""
with outcome as (
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
    returning n.id
), events as (
    {INSERT_INTO_OUTBOX}
    select n.event_id, n.exchange, n.routing_key, n.type, n.subject, n.body from outcome n join changed using (id)
)
select id from moved
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
    event: OutboxRow | None = None


async def settle(conn: asyncpg.Connection, outcomes: Sequence[Outcome]) -> set[UUID]:
    """Save outcomes, at most one per delivery. Returns the ids of the deliveries that moved forward."""
    outcomes = sorted(outcomes, key=lambda one: one.id)  # every statement locks in this order: no deadlock
    events = [one.event for one in outcomes]
    rows = await conn.fetch(
        SETTLE,
        [one.id for one in outcomes],
        [one.status for one in outcomes],
        [one.reason for one in outcomes],
        [one.ref for one in outcomes],
        [one.provider for one in outcomes],
        [one.message_status for one in outcomes],
        [event and event.event_id for event in events],
        [event and event.exchange for event in events],
        [event and event.routing_key for event in events],
        [event and event.type for event in events],
        [event and event.subject for event in events],
        [event and event.body for event in events],
    )
    return {row["id"] for row in rows}
