"""Conversations and their messages."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg

from conversations.domain.search import pattern_of
from switchboard.contracts.conversations import ConversationMessage
from switchboard.runtime.refusals import NotFound

MESSAGE = "m.id, m.seq, m.direction, m.channel, m.body, m.attachments, m.status, m.created_at, m.metadata"

LIST_NEWEST = f"""
select {MESSAGE} from messages m join conversations c on c.id = m.conversation_id
where c.tenant_id = $1 and c.user_id = $2 and c.contact_phone = $3
  and m.seq > c.cleared_seq and m.seq < $4
order by m.seq desc limit $5
"""
LIST_AFTER = f"""
select {MESSAGE} from messages m join conversations c on c.id = m.conversation_id
where c.tenant_id = $1 and c.user_id = $2 and c.contact_phone = $3
  and m.seq > greatest(c.cleared_seq, $4) and m.seq < $5
order by m.seq limit $6
"""
LIST_CONVERSATIONS = f"""
select c.id as conversation_id, c.contact_phone, c.unread, c.updated_at, c.metadata as about,
       k.id as contact_id, k.name, k.tags, k.owner_id, k.opted_out, {MESSAGE}
from conversations c
left join messages m on m.conversation_id = c.id and m.seq = c.last_seq
left join contacts k on k.tenant_id = c.tenant_id and k.phone = c.contact_phone
where c.tenant_id = $1 and c.user_id = $2 and c.last_seq > c.cleared_seq
  and (c.updated_at, c.id) < ($3, $4)
  {{matching}}
order by c.updated_at desc, c.id desc limit $5
"""
_MATCHING = r"""
  and (c.contact_phone like $6 or k.name ilike $6 or exists (
        select from messages f where f.conversation_id = c.id and f.seq > c.cleared_seq
        and to_tsvector('simple', f.body) @@ plainto_tsquery('simple', $7)))
"""
LIST_ALL = LIST_CONVERSATIONS.format(matching="")
LIST_MATCHING = LIST_CONVERSATIONS.format(matching=_MATCHING)
GET_ONE = LIST_CONVERSATIONS.format(matching="and c.contact_phone = $6")
LOCK = """
select id, last_seq, cleared_seq, read_seq, unread from conversations
where tenant_id = $1 and user_id = $2 and contact_phone = $3 for update
"""
SAVE_READ = """
update conversations c set read_seq = $2, event_seq = event_seq + 1, unread = (
    select count(*) from messages m where m.conversation_id = c.id and m.seq > $2 and m.direction = 'in')
where id = $1 returning event_seq
"""
SAVE_METADATA = """
update conversations set metadata = $4
where tenant_id = $1 and user_id = $2 and contact_phone = $3 and last_seq > cleared_seq
returning id
"""
SAVE_CLEARED = """
update conversations set
    cleared_seq = last_seq, read_seq = last_seq, event_seq = event_seq + 1, unread = 0, metadata = '{}'
where id = $1 returning event_seq
"""
DROP_MESSAGES = "delete from messages where conversation_id = $1 and seq <= $2"

LAST_PLACE = datetime.max.replace(tzinfo=UTC), UUID(int=2**128 - 1)


@dataclass(frozen=True)
class LockedConversation:
    id: UUID
    last_seq: int
    cleared_seq: int
    read_seq: int
    unread: int


@dataclass(frozen=True)
class ListedContact:
    id: UUID
    name: str | None
    tags: list[str]
    owner_id: UUID | None
    opted_out: bool


@dataclass(frozen=True)
class ListedConversation:
    id: UUID
    contact_phone: str
    contact: ListedContact | None
    last_message: ConversationMessage | None
    unread: int
    updated_at: datetime
    metadata: dict[str, Any]


def message_of(row: asyncpg.Record) -> ConversationMessage:
    """A message of a row with the columns `MESSAGE`."""
    return ConversationMessage(
        id=row["id"],
        seq=row["seq"],
        direction=row["direction"],
        channel=row["channel"],
        body=row["body"],
        attachments=tuple(row["attachments"]),
        status=row["status"],
        created_at=row["created_at"],
        metadata=row["metadata"],
    )


async def list_messages(
    conn: asyncpg.Connection,
    tenant_id: UUID,
    user_id: UUID,
    phone: str,
    *,
    before: int | None,
    after: int | None,
    limit: int,
) -> list[ConversationMessage]:
    """Messages, oldest first: the newest before the seq `before`, or the first after the seq `after`."""
    top = 2**62 if before is None else before
    if after is not None:
        rows = await conn.fetch(LIST_AFTER, tenant_id, user_id, phone, after, top, limit)
        return [message_of(row) for row in rows]
    rows = await conn.fetch(LIST_NEWEST, tenant_id, user_id, phone, top, limit)
    return [message_of(row) for row in reversed(rows)]


async def list_conversations(
    conn: asyncpg.Connection,
    tenant_id: UUID,
    user_id: UUID,
    *,
    q: str | None,
    below: tuple[datetime, UUID] | None,
    limit: int,
) -> list[ListedConversation]:
    """The user's conversations, by their newest message. `below`: the last conversation of the previous page."""
    place = below or LAST_PLACE
    if q:
        rows = await conn.fetch(LIST_MATCHING, tenant_id, user_id, *place, limit, pattern_of(q), q)
    else:
        rows = await conn.fetch(LIST_ALL, tenant_id, user_id, *place, limit)
    return [_listed(row) for row in rows]


async def find_conversation(
    conn: asyncpg.Connection, tenant_id: UUID, user_id: UUID, phone: str
) -> ListedConversation | None:
    """One of the user's conversations, as it is listed. None where there is none, or nothing is in it."""
    row = await conn.fetchrow(GET_ONE, tenant_id, user_id, *LAST_PLACE, 1, phone)
    return None if row is None else _listed(row)


def _listed(row: asyncpg.Record) -> ListedConversation:
    contact = None
    if row["contact_id"] is not None:
        contact = ListedContact(row["contact_id"], row["name"], row["tags"], row["owner_id"], row["opted_out"])
    return ListedConversation(
        id=row["conversation_id"],
        contact_phone=row["contact_phone"],
        contact=contact,
        last_message=None if row["seq"] is None else message_of(row),
        unread=row["unread"],
        updated_at=row["updated_at"],
        metadata=row["about"],
    )


async def find_locked(
    conn: asyncpg.Connection, tenant_id: UUID, user_id: UUID, phone: str
) -> LockedConversation | None:
    """Find a conversation, its row locked until the transaction ends."""
    row = await conn.fetchrow(LOCK, tenant_id, user_id, phone)
    return None if row is None else LockedConversation(*row)


async def save_read(conn: asyncpg.Connection, conversation_id: UUID, seq: int) -> int:
    """Save the read position, and count the unread messages after it. Returns the number of the event about it."""
    number: int = await conn.fetchval(SAVE_READ, conversation_id, seq)
    return number


async def save_metadata(
    conn: asyncpg.Connection, tenant_id: UUID, user_id: UUID, phone: str, metadata: dict[str, Any]
) -> None:
    """Replace the metadata of a conversation. Raises `NotFound`."""
    if await conn.fetchval(SAVE_METADATA, tenant_id, user_id, phone, metadata) is None:
        raise NotFound("There is no conversation with this phone.")


async def drop_messages(conn: asyncpg.Connection, conversation: LockedConversation) -> int:
    """Delete all messages of a conversation. Numbering continues after them. Returns the number of the event."""
    await conn.execute(DROP_MESSAGES, conversation.id, conversation.last_seq)
    number: int = await conn.fetchval(SAVE_CLEARED, conversation.id)
    return number
