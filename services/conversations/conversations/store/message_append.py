"""Appending a message: conversation, message, event and delivery in one statement, in one round trip.

The number is taken under the lock of the conversation's row, so that numbers have no gaps and the outbox keeps the
conversation's order. The event is encoded before its number is known: the statement inserts the number.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from switchboard.contracts.conversations import ConversationMessage, ConversationMessageAppended
from switchboard.messaging.outbox.rows import INSERT_INTO_OUTBOX, OutboxRow, row_of
from switchboard.messaging.outbox.unit_of_work import OUTBOX, Work

UNNUMBERED = -1
PLACEHOLDER = b'"seq":-1,'

_APPEND = """
with conversation as (
    insert into conversations as c
        (id, tenant_id, user_id, contact_phone, last_seq, read_seq, unread, created_at, updated_at, wrote_at)
    values ($1, $2, $3, $4, 1, ($6 = 'out')::int, ($6 = 'in')::int, $11, $11,
            case when $6 = 'out' then $11::timestamptz end)
    on conflict (user_id, contact_phone) do update set
        last_seq = c.last_seq + 1,
        unread = c.unread + ($6 = 'in')::int,
        updated_at = greatest(c.updated_at, $11),
        wrote_at = case when $6 = 'out' then greatest(c.wrote_at, $11) else c.wrote_at end
    where c.tenant_id = $2
    returning id, last_seq
), contact as (
    insert into contacts (id, tenant_id, phone) select $17, $2, $4 from conversation where last_seq = 1
    on conflict (tenant_id, phone) do nothing
), message as (
    insert into messages
        (conversation_id, seq, id, tenant_id, direction, channel, body, attachments, status, metadata, created_at)
    select id, last_seq, $5, $2, $6, $7, $8, $9, $10, $12, $11 from conversation
), event as (
    {INSERT_INTO_OUTBOX}
    select $13, $14, $15, $16, $18, $19 || convert_to(last_seq::text, 'UTF8') || $20 from conversation
){delivery}
select id, last_seq from conversation
"""

_DELIVERY = """, delivery as (
    insert into deliveries
        (id, tenant_id, lane, user_id, contact_phone, channel, body, conversation_id, message_id, seq)
    select $21, $2, 0, $3, $4, $7, $8, id, $5, last_seq from conversation
)"""

APPEND = _APPEND.format(INSERT_INTO_OUTBOX=INSERT_INTO_OUTBOX, delivery="")
APPEND_AND_SEND = _APPEND.format(INSERT_INTO_OUTBOX=INSERT_INTO_OUTBOX, delivery=_DELIVERY)


@dataclass(frozen=True)
class MessageToAppend:
    """A message without a number. `delivery_id`: the id of its delivery, if it is to be sent."""

    id: UUID
    user_id: UUID
    contact_phone: str
    direction: str
    channel: str
    body: str
    status: str
    created_at: datetime
    attachments: tuple[UUID, ...] = ()
    delivery_id: UUID | None = None

    def unnumbered_event(self, work: Work) -> tuple[OutboxRow, bytes, bytes]:
        """Encode the event. Returns its row, and its body before and after the number."""
        event = ConversationMessageAppended(
            user_id=self.user_id, contact_phone=self.contact_phone, message=self.numbered(UNNUMBERED)
        )
        row = row_of(event, source=work.source, tenant_id=work.tenant_id)
        before, _, after = row.body.partition(PLACEHOLDER)  # the first: a body's quotes are escaped
        return row, before + b'"seq":', b"," + after

    def numbered(self, seq: int) -> ConversationMessage:
        return ConversationMessage(
            id=self.id,
            seq=seq,
            direction=self.direction,  # type: ignore[arg-type]  # checked by pydantic
            channel=self.channel,
            body=self.body,
            attachments=self.attachments,
            status=self.status,  # type: ignore[arg-type]  # checked by pydantic
            created_at=self.created_at,
        )


async def append_message(
    work: Work, new: MessageToAppend, *, conversation_id: UUID, contact_id: UUID
) -> tuple[UUID, ConversationMessage]:
    """Append a message with its event, and its delivery if it has one. The ids are for rows that don't exist yet.

    Returns the conversation's id and the message.
    """
    values = _values(work, new, conversation_id=conversation_id, contact_id=contact_id)
    if new.delivery_id is None:
        found = await work.conn.fetchrow(APPEND, *values)
    else:
        found = await work.conn.fetchrow(APPEND_AND_SEND, *values, new.delivery_id)
    if found is None:
        raise asyncpg.IntegrityConstraintViolationError(f"user {new.user_id} is of another tenant")
    work.notify(OUTBOX)
    return found["id"], new.numbered(found["last_seq"])


def _values(work: Work, new: MessageToAppend, *, conversation_id: UUID, contact_id: UUID) -> tuple[object, ...]:
    row, before, after = new.unnumbered_event(work)
    return (
        conversation_id,
        work.tenant_id,
        new.user_id,
        new.contact_phone,
        new.id,
        new.direction,
        new.channel,
        new.body,
        list(new.attachments),
        new.status,
        new.created_at,
        {},
        row.event_id,
        row.exchange,
        row.routing_key,
        row.type,
        contact_id,
        row.subject,
        before,
        after,
    )
