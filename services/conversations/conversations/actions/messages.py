"""Conversations as their user sees them: write, read, clear."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from conversations.store import conversations as store
from conversations.store import message_append as appending
from conversations.store.documents import find_unknown_files
from switchboard.contracts.conversations import ConversationCleared, ConversationMessage, ConversationRead
from switchboard.messaging.outbox.unit_of_work import Work
from switchboard.runtime.refusals import Invalid, NotFound

DELIVERIES = "deliveries"  # the channel that wakes the senders

IsStored = Callable[[UUID], Awaitable[bool]]
"""Asks files itself: whether the tenant has this document. Raises an `Unavailable` when files doesn't answer."""


async def write_message(
    work: Work,
    user_id: UUID,
    phone: str,
    body: str,
    *,
    channel: str,
    attachments: tuple[UUID, ...],
    is_stored: IsStored,
) -> ConversationMessage:
    """Append a message to the contact and queue it for sending. Raises `Invalid` for what may not be attached."""
    if attachments:
        await _expect_files(work, attachments, is_stored)
    new = appending.NewMessage(
        id=uuid7(),
        user_id=user_id,
        contact_phone=phone,
        direction="out",
        channel=channel,
        body=body,
        status="queued",
        created_at=datetime.now(UTC),
        attachments=attachments,
        delivery_id=uuid7(),
    )
    _, message = await appending.append_message(work, new, conversation_id=uuid7(), contact_id=uuid7())
    work.notify(DELIVERIES)
    return message


async def _expect_files(work: Work, file_ids: tuple[UUID, ...], is_stored: IsStored) -> None:
    """A file that was uploaded just now may be attached before its event came here: then files itself is asked."""
    assert work.tenant_id is not None
    for file_id in await find_unknown_files(work.conn, work.tenant_id, file_ids):
        if not await is_stored(file_id):
            raise Invalid.field("is no file of this tenant", "body", "attachments", file_ids.index(file_id))


async def mark_read(work: Work, user_id: UUID, phone: str, seq: int) -> None:
    """The user has read up to and with `seq`. Going back changes nothing. Raises `NotFound`."""
    assert work.tenant_id is not None
    conversation = await store.find_locked(work.conn, work.tenant_id, user_id, phone)
    if conversation is None:
        raise NotFound("There is no conversation with this phone.")
    seq = min(seq, conversation.last_seq)
    if seq <= conversation.read_seq and not conversation.unread:
        return
    if seq < conversation.read_seq:
        return
    await store.save_read(work.conn, conversation.id, seq)
    await work.publish(ConversationRead(user_id=user_id, contact_phone=phone, seq=seq))


async def set_metadata(work: Work, user_id: UUID, phone: str, metadata: dict[str, Any]) -> None:
    """Replace what the client keeps about this conversation. Raises `NotFound`."""
    assert work.tenant_id is not None
    await store.save_metadata(work.conn, work.tenant_id, user_id, phone, metadata)


async def clear_conversation(work: Work, user_id: UUID, phone: str) -> None:
    """Drop all messages. Nothing to clear is fine; numbering never begins anew."""
    assert work.tenant_id is not None
    conversation = await store.find_locked(work.conn, work.tenant_id, user_id, phone)
    if conversation is None or conversation.last_seq == conversation.cleared_seq:
        return
    await store.drop_messages(work.conn, conversation)
    await work.publish(ConversationCleared(user_id=user_id, contact_phone=phone, up_to_seq=conversation.last_seq))
