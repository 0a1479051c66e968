"""Actions on the user's own conversations: append a message, mark as read, set metadata, clear."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from conversations.store import conversations as store
from conversations.store.documents import find_unknown_files
from conversations.store.message_append import MessageToAppend, append_message
from switchboard.contracts.conversations import ConversationCleared, ConversationMessage, ConversationRead
from switchboard.messaging.outbox.unit_of_work import Work
from switchboard.runtime.refusals import Invalid, NotFound

DELIVERIES = "deliveries"  # the NOTIFY channel that wakes the message senders

IsStored = Callable[[UUID], Awaitable[bool]]
"""Asks the files service whether the tenant has this file. Raises an `Unavailable` when files does not answer."""


async def append_outgoing(
    work: Work,
    user_id: UUID,
    phone: str,
    body: str,
    *,
    channel: str,
    attachments: tuple[UUID, ...],
    is_stored: IsStored,
) -> ConversationMessage:
    """Append a message to the contact and queue its delivery. Raises `Invalid` for an unknown attachment."""
    if attachments:
        await _check_files(work, attachments, is_stored)
    new = MessageToAppend(
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
    _, message = await append_message(work, new, conversation_id=uuid7(), contact_id=uuid7())
    work.notify(DELIVERIES)
    return message


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
    await store.save_read(work.conn, conversation.id, seq)
    await work.publish(ConversationRead(user_id=user_id, contact_phone=phone, seq=seq))


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
    await store.drop_messages(work.conn, conversation)
    await work.publish(ConversationCleared(user_id=user_id, contact_phone=phone, up_to_seq=conversation.last_seq))
