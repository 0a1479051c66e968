"""Actions on the user's own conversations: append a message, mark as read, set metadata, clear."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import UUID

import asyncpg
import structlog
from uuid_utils.compat import uuid7

from conversations.store import conversations as store
from conversations.store.delivery_claims import Claimed
from conversations.store.documents import find_unknown_files
from conversations.store.message_append import (
    UNNUMBERED,
    AppendedMessage,
    KeyedAnswer,
    MessageToAppend,
    append_messages,
    split_at_number,
)
from switchboard.contracts.conversations import NOTE_CHANNEL, ConversationCleared, ConversationMessage, ConversationRead
from switchboard.event_log.hints import EventsBehind
from switchboard.http.endpoints import to_json
from switchboard.http.idempotency import IdempotentRequest
from switchboard.messaging.outbox.unit_of_work import Work, report_published
from switchboard.postgres.database import Database
from switchboard.runtime.batching import Batcher
from switchboard.runtime.refusals import Invalid, NotFound
from switchboard.runtime.unavailable import Contended

MOST_IN_STATEMENT = 64
MOST_WAITING = 1000

DELIVERIES = "deliveries"  # the NOTIFY channel that wakes the message senders

log = structlog.get_logger(__name__)


class DeliveryHolder(Protocol):
    """Sends deliveries of messages right after they are stored, in the process that stored them."""

    def reserve(self, tenants: Sequence[UUID | None]) -> list[str | None]:
        """Reserve a place for each delivery, by its tenant. Returns its holder, None where there is no place."""

    def send(self, reserved: Sequence[UUID], held: Sequence[Claimed]) -> None:
        """Give back the places reserved for these tenants, and send what is held. Waits for nothing."""


class NothingHeld:
    """A `DeliveryHolder` of a process that sends nothing: all deliveries wait in their lanes."""

    def reserve(self, tenants: Sequence[UUID | None]) -> list[str | None]:
        return [None] * len(tenants)

    def send(self, reserved: Sequence[UUID], held: Sequence[Claimed]) -> None:
        pass


IsStored = Callable[[UUID], Awaitable[bool]]
"""Asks the files service whether the tenant has this file. Raises an `Unavailable` when files does not answer."""


def outgoing_message(
    tenant_id: UUID, user_id: UUID, phone: str, body: str, *, channel: str, attachments: tuple[UUID, ...] = ()
) -> MessageToAppend:
    """A message of a user to a contact, with a delivery; or a note, which has none."""
    is_note = channel == NOTE_CHANNEL
    return MessageToAppend(
        id=uuid7(),
        tenant_id=tenant_id,
        user_id=user_id,
        contact_phone=phone,
        direction="out",
        channel=channel,
        body=body,
        status="received" if is_note else "queued",
        created_at=datetime.now(UTC),
        attachments=attachments,
        delivery_id=None if is_note else uuid7(),
    )


async def append_outgoing(work: Work, new: MessageToAppend, *, is_stored: IsStored) -> ConversationMessage:
    """Append a message to the contact and queue its delivery. Raises `Invalid` for an unknown attachment."""
    if new.attachments:
        await _check_files(work, new.attachments, is_stored)
    message = await append_one(work, new)
    if new.delivery_id is not None:
        work.notify(DELIVERIES)
    return message


async def append_one(work: Work, new: MessageToAppend) -> ConversationMessage:
    """Append one message in this unit of work."""
    (appended,) = await append_messages(work.conn, work.source, [new])
    assert appended is not None  # it has no idempotency key
    work.published.append(appended.event)
    return appended.message


class MessageAppender:
    """Appends the messages of concurrent requests together: those that wait while one statement runs are the next.

    For new messages without attachments, whose idempotency key is new too. All other requests take a transaction of
    their own, and so do those of a statement that fails.
    """

    def __init__(self, database: Database, holder: DeliveryHolder) -> None:
        self._database = database
        self._holder = holder
        self._batches = Batcher(self._append, size=MOST_IN_STATEMENT)

    async def append(self, new: MessageToAppend, request: IdempotentRequest | None) -> ConversationMessage | None:
        """Append a message, with the answer under its request's key. None: take a transaction of your own.

        Raises `EventsBehind` when too many wait.
        """
        if self._batches.waiting >= MOST_WAITING:
            raise EventsBehind
        key = None
        if request is not None:
            key = KeyedAnswer(request, *split_at_number(to_json(new.numbered(UNNUMBERED))))
        return await self._batches.do((new, key))

    async def _append(
        self, batch: Sequence[tuple[MessageToAppend, KeyedAnswer | None]]
    ) -> list[ConversationMessage | None]:
        holders = self._holder.reserve([new.tenant_id if new.delivery_id else None for new, _ in batch])
        messages = [replace(new, holder=name) if name else new for (new, _), name in zip(batch, holders, strict=True)]
        held: list[Claimed] = []
        try:
            async with self._database.connection() as conn:
                appended = await append_messages(conn, self._database.service, messages, [key for _, key in batch])
            stored = [one for one in appended if one is not None]
            held = [one.delivery for one in stored if one.delivery is not None]
        except (asyncpg.PostgresError, Contended) as error:
            log.info("messages_appended_one_by_one", messages=len(batch), reason=repr(error))
            return [None] * len(batch)
        finally:
            self._holder.send([new.tenant_id for new in messages if new.holder], held)
        report_published(self._database, [one.event for one in stored])
        if any(one.delivery is None and one.message.channel != NOTE_CHANNEL for one in stored):
            self._database.notify(DELIVERIES)
        return [_message_of(one) for one in appended]


def _message_of(appended: AppendedMessage | None) -> ConversationMessage | None:
    return None if appended is None else appended.message


async def _check_files(work: Work, file_ids: tuple[UUID, ...], is_stored: IsStored) -> None:
    """Raise `Invalid` for a file the tenant does not have. Asks the files service where its event is still missing."""
    assert work.tenant_id is not None
    for file_id in await find_unknown_files(work.conn, work.tenant_id, file_ids):
        if not await is_stored(file_id):
            raise Invalid.field("is not a file of this tenant", "body", "attachments", file_ids.index(file_id))


async def mark_read(work: Work, user_id: UUID, phone: str, seq: int) -> None:
    """Mark messages up to and including `seq` as read. An earlier `seq` changes nothing. Raises `NotFound`."""
    assert work.tenant_id is not None
    conversation = await store.find_locked(work.conn, work.tenant_id, user_id, phone)
    if conversation is None:
        raise NotFound("There is no conversation with this phone.")
    seq = min(seq, conversation.last_seq)
    if seq <= conversation.read_seq and not conversation.unread:
        return
    if seq < conversation.read_seq:
        return
    number = await store.save_read(work.conn, conversation.id, seq)
    await work.publish(ConversationRead(user_id=user_id, contact_phone=phone, seq=seq), sequence=number)


async def set_metadata(work: Work, user_id: UUID, phone: str, metadata: dict[str, Any]) -> None:
    """Replace the conversation's metadata. Raises `NotFound`."""
    assert work.tenant_id is not None
    await store.save_metadata(work.conn, work.tenant_id, user_id, phone, metadata)


async def clear_conversation(work: Work, user_id: UUID, phone: str) -> None:
    """Delete all messages, if there are any. Numbering continues after them."""
    assert work.tenant_id is not None
    conversation = await store.find_locked(work.conn, work.tenant_id, user_id, phone)
    if conversation is None or conversation.last_seq == conversation.cleared_seq:
        return
    number = await store.drop_messages(work.conn, conversation)
    cleared = ConversationCleared(user_id=user_id, contact_phone=phone, up_to_seq=conversation.last_seq)
    await work.publish(cleared, sequence=number)
