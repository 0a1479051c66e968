"""Appending messages: conversations, messages, events, deliveries and idempotency keys of a batch in one statement.

The numbers are taken under the locks of the conversations' rows, so that they have no gaps and the outbox keeps each
conversation's order. Events and answers are encoded before their numbers are known: the statement inserts them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import asyncpg
from uuid_utils.compat import uuid7

from conversations.store.append_statement import APPEND
from conversations.store.delivery_claims import Claimed
from switchboard.contracts.conversations import (
    NOTE_CHANNEL,
    ContactCreated,
    ConversationMessage,
    ConversationMessageAppended,
)
from switchboard.contracts.envelope import Envelope
from switchboard.http.idempotency import IdempotentRequest
from switchboard.messaging.broker.routing import routing_key_of
from switchboard.messaging.outbox.numbering import UnnumberedEvent
from switchboard.runtime.tracing import current_traceparent

UNNUMBERED = -1
PLACEHOLDER = b'"seq":-1,'


@dataclass(frozen=True, slots=True)
class MessageToAppend:
    """A message without a number. `delivery_id`: the id of its delivery, if it is to be sent.

    `holder`: of the process that sends it itself, if nothing has to be sent before it.
    """

    id: UUID
    tenant_id: UUID
    user_id: UUID
    contact_phone: str
    direction: str
    channel: str
    body: str
    status: str
    created_at: datetime
    attachments: tuple[UUID, ...] = ()
    delivery_id: UUID | None = None
    holder: str | None = None
    traceparent: str | None = field(default_factory=current_traceparent)  # statements append those of many requests

    @property
    def is_written_to_contact(self) -> bool:
        """Whether its user wrote to the contact: who wrote last gets the contact's answers."""
        return self.direction == "out" and self.channel != NOTE_CHANNEL

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


@dataclass(frozen=True, slots=True)
class KeyedAnswer:
    """The answer to store under a request's idempotency key: its bytes before and after the message's number."""

    request: IdempotentRequest
    before: bytes
    after: bytes


@dataclass(frozen=True, slots=True)
class AppendedMessage:
    """A message with its number, and the event that reports it. `delivery`: that this process holds."""

    conversation_id: UUID
    message: ConversationMessage
    event: Envelope
    delivery: Claimed | None = None


async def append_messages(
    conn: asyncpg.Connection,
    source: str,
    messages: Sequence[MessageToAppend],
    keys: Sequence[KeyedAnswer | None] = (),
) -> list[AppendedMessage | None]:
    """Append messages in this order, in one statement. `keys`: the idempotency key of each.

    None for a message that was not appended, since its key is in use. Raises `IntegrityConstraintViolationError` for a
    user of another tenant.
    """
    events = [_event_of(new, source) for new in messages]
    rows = [
        _values(new, event, key)
        for new, event, key in zip(messages, events, keys or [None] * len(messages), strict=True)
    ]
    found = await conn.fetch(APPEND, *(list(column) for column in zip(*rows, strict=True)))
    appended: list[AppendedMessage | None] = []
    for new, event, row in zip(messages, events, found, strict=True):
        if row["conversation"] is not None:
            appended.append(_appended(new, event, row))
        elif row["claimed"]:
            raise asyncpg.IntegrityConstraintViolationError(f"user {new.user_id} is of another tenant")
        else:
            appended.append(None)
    return appended


def split_at_number(encoded: bytes) -> tuple[bytes, bytes]:
    """The parts of an encoded, unnumbered message before and after its number."""
    before, _, after = encoded.partition(PLACEHOLDER)  # the first: a body's quotes are escaped
    return before + b'"seq":', b"," + after


def _event_of(new: MessageToAppend, source: str) -> UnnumberedEvent:
    event = ConversationMessageAppended(
        user_id=new.user_id, contact_phone=new.contact_phone, message=new.numbered(UNNUMBERED)
    )
    return UnnumberedEvent.of(event, source=source, tenant_id=new.tenant_id, traceparent=new.traceparent)


def _appended(new: MessageToAppend, event: UnnumberedEvent, row: asyncpg.Record) -> AppendedMessage:
    envelope = event.numbered(row["sequence"])
    envelope.data["message"]["seq"] = row["seq"]
    delivery = _held(new, row["seq"]) if row["held"] else None
    return AppendedMessage(row["conversation"], new.numbered(row["seq"]), envelope, delivery)


def _held(new: MessageToAppend, seq: int) -> Claimed:
    assert new.delivery_id is not None
    assert new.holder is not None
    return Claimed(
        id=new.delivery_id,
        tenant_id=new.tenant_id,
        campaign_id=None,
        user_id=new.user_id,
        contact_phone=new.contact_phone,
        channel=new.channel,
        body=new.body,
        message_id=new.id,
        seq=seq,
        attempts=1,
        too_late=False,
        holder=new.holder,
        traceparent=new.traceparent,
        opted_out=False,
        contact_name=None,
    )


def _values(new: MessageToAppend, event: UnnumberedEvent, key: KeyedAnswer | None) -> tuple[object, ...]:
    """The values in the order of `append_statement.COLUMNS`."""
    before_seq, after_seq = split_at_number(event.after)
    row = event.row
    contact_id = uuid7()
    return (
        uuid7(),
        contact_id,
        uuid7(),
        routing_key_of(ContactCreated.type, new.tenant_id, f"contact/{contact_id}"),
        event.envelope.source,
        new.tenant_id,
        new.user_id,
        new.contact_phone,
        new.id,
        new.direction,
        new.channel,
        new.body,
        "{" + ",".join(map(str, new.attachments)) + "}",
        new.status,
        new.created_at,
        new.is_written_to_contact,
        new.delivery_id,
        new.holder,
        new.traceparent,
        row.event_id,
        row.exchange,
        row.routing_key,
        row.type,
        row.subject,
        event.before,
        before_seq,
        after_seq,
        *(_no_key if key is None else _key_values(key)),
    )


_no_key = (None,) * 6


def _key_values(key: KeyedAnswer) -> tuple[object, ...]:
    request = key.request
    return request.lock, request.route, request.key, request.request_hash, key.before, key.after
