"""Appending one message to each of many conversations in one statement, for the claims of a campaign."""

from collections.abc import Sequence
from uuid import UUID

from uuid_utils.compat import uuid7

from conversations.store.message_append import MessageToAppend
from switchboard.messaging.outbox.rows import INSERT_INTO_OUTBOX
from switchboard.messaging.outbox.unit_of_work import OUTBOX, Work

# Sorted by phone, so that concurrent statements can't deadlock.
APPEND_MANY = f"""
with new as materialized (
    select * from unnest($2::uuid[], $3::uuid[], $4::text[], $5::uuid[], $6::text[], $7::text[], $8::timestamptz[],
                         $9::uuid[], $10::text[], $11::text[], $12::text[], $13::text[], $14::bytea[], $15::bytea[])
    as n (conversation_id, user_id, phone, id, channel, body, created_at,
          event_id, exchange, routing_key, type, subject, before, after)
    order by phone
), conversation as (
    insert into conversations as c
        (id, tenant_id, user_id, contact_phone, last_seq, read_seq, created_at, updated_at, wrote_at)
    select conversation_id, $1, user_id, phone, 1, 1, created_at, created_at, created_at from new
    on conflict (user_id, contact_phone) do update set
        last_seq = c.last_seq + 1, updated_at = greatest(c.updated_at, excluded.updated_at),
        wrote_at = greatest(c.wrote_at, excluded.wrote_at)
    where c.tenant_id = $1
    returning id, user_id, contact_phone, last_seq
), placed as (
    select new.*, c.id as conversation, c.last_seq as seq
    from new join conversation c on c.user_id = new.user_id and c.contact_phone = new.phone
), message as (
    insert into messages (conversation_id, seq, id, tenant_id, direction, channel, body, status, created_at)
    select conversation, seq, id, $1, 'out', channel, body, 'queued', created_at from placed
), event as (
    {INSERT_INTO_OUTBOX}
    select event_id, exchange, routing_key, type, subject, before || convert_to(seq::text, 'UTF8') || after from placed
)
select id, conversation, seq from placed
"""


async def append_to_each(work: Work, messages: Sequence[MessageToAppend]) -> dict[UUID, tuple[UUID, int]]:
    """Append outgoing messages to different phones. Returns (conversation, seq) by the message's id."""
    if not messages:
        return {}
    rows = []
    for new in messages:
        row, before, after = new.unnumbered_event(work)
        rows.append(
            (
                uuid7(),
                new.user_id,
                new.contact_phone,
                new.id,
                new.channel,
                new.body,
                new.created_at,
                row.event_id,
                row.exchange,
                row.routing_key,
                row.type,
                row.subject,
                before,
                after,
            )
        )
    columns = [list(column) for column in zip(*rows, strict=True)]
    found = await work.conn.fetch(APPEND_MANY, work.tenant_id, *columns)
    work.notify(OUTBOX)
    return {row["id"]: (row["conversation"], row["seq"]) for row in found}
