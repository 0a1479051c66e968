"""SQL of legacy imports: which messages of which files were imported, and where they are."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from conversations.legacy.matching import Known
from conversations.store.conversations import MESSAGE, message_of
from switchboard.contracts.conversations import ConversationMessage

BATCH = 2000

OPEN = """
insert into conversations (id, tenant_id, user_id, contact_phone, created_at, updated_at)
values ($1, $2, $3, $4, $5, $5) on conflict (user_id, contact_phone) do nothing
"""
LOCK = """
select id, last_seq, read_seq, unread from conversations
where tenant_id = $1 and user_id = $2 and contact_phone = $3 for update
"""
LIST_KNOWN = """
select i.file, i.position, i.sha256, m.direction, m.body, m.created_at
from imported_messages i left join messages m on m.conversation_id = i.conversation_id and m.seq = i.seq
where i.tenant_id = $1 and i.file = any($2::text[]) order by i.file, i.position
"""
ADD_MESSAGES = """
with new as (
    select * from unnest($3::bigint[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
                         $10::timestamptz[], $11::text[], $12::text[], $13::int[], $14::bytea[])
    as n (seq, id, direction, channel, body, status, metadata, created_at, original, file, position, sha256)
), kept as (
    insert into messages (conversation_id, seq, id, tenant_id, direction, channel, body, status, metadata, created_at,
                          original)
    select $2, seq, id, $1, direction, channel, body, status, metadata::jsonb, created_at, original from new
)
insert into imported_messages (tenant_id, file, position, sha256, conversation_id, seq)
select $1, file, position, sha256, $2, seq from new
"""
ADD_FILES = """
insert into imported_files as f (tenant_id, file, conversation_id, layout)
select $1, file, $2, layout::jsonb from unnest($3::text[], $4::text[]) as n (file, layout)
on conflict (tenant_id, file) do update set layout = excluded.layout where f.layout <> excluded.layout
"""
CLOSE = """
update conversations set
    last_seq = $2,
    read_seq = case when unread = 0 then $2 else read_seq end,
    created_at = least(created_at, $3),
    updated_at = greatest(updated_at, $4)
where id = $1
"""
ADD_CONTACT = """
insert into contacts (id, tenant_id, phone) values ($1, $2, $3) on conflict (tenant_id, phone) do nothing
"""
LIST_IMPORTED = """
select i.file, i.position, i.sha256, i.seq <= c.cleared_seq as cleared, m.body, m.direction, m.original
from imported_messages i join conversations c on c.id = i.conversation_id
left join messages m on m.conversation_id = i.conversation_id and m.seq = i.seq
where i.tenant_id = $1 and i.file = any($2::text[])
"""
LIST_CONVERSATIONS = """
select id, user_id, contact_phone from conversations where tenant_id = $1 and id > $2 order by id limit 500
"""
LIST_FILES = """
select f.file, f.layout, exists (select from imported_messages i where i.tenant_id = $1 and i.file = f.file) as filled
from imported_files f where f.tenant_id = $1 and f.conversation_id = $2 order by f.file
"""
LIST_ALL_MESSAGES = f"""
select {MESSAGE}, m.original, i.file, i.position
from messages m left join imported_messages i on i.conversation_id = m.conversation_id and i.seq = m.seq
where m.conversation_id = $1 order by m.seq
"""
LIST_FOLDERS = """
select distinct on (c.user_id) c.user_id, split_part(f.file, '/', 1) as folder
from imported_files f join conversations c on c.id = f.conversation_id
where f.tenant_id = $1 order by c.user_id, f.file
"""


@dataclass(frozen=True)
class OpenConversation:
    """A conversation with its row locked."""

    id: UUID
    last_seq: int
    read_seq: int
    unread: int


@dataclass(frozen=True)
class ImportRow:
    """A message to import. Its `seq` follows from its position in the list."""

    id: UUID
    direction: str
    channel: str
    body: str
    status: str
    metadata: dict[str, Any]
    created_at: datetime
    original: str
    file: str
    position: int
    sha256: bytes


@dataclass(frozen=True)
class ImportedRow:
    """An imported message as it is now. `body` and `original` are None if it was deleted."""

    file: str
    position: int
    sha256: bytes
    cleared: bool
    body: str | None
    direction: str | None
    original: str | None


@dataclass(frozen=True)
class ImportedFile:
    """An imported file. `filled`: it had messages."""

    file: str
    layout: dict[str, Any]
    filled: bool


@dataclass(frozen=True)
class MessageWithOrigin:
    """A message, with its text and position in the file that it was imported from, if any."""

    message: ConversationMessage
    original: str | None
    file: str | None
    position: int | None


async def open_conversation(
    conn: asyncpg.Connection, tenant_id: UUID, user_id: UUID, phone: str, *, new_id: UUID, at: datetime
) -> OpenConversation:
    """Lock the conversation's row, created if it is missing."""
    await conn.execute(OPEN, new_id, tenant_id, user_id, phone, at)
    row = await conn.fetchrow(LOCK, tenant_id, user_id, phone)
    if row is None:
        raise LookupError(f"user {user_id} is of another tenant")
    return OpenConversation(*row)


async def list_known(conn: asyncpg.Connection, tenant_id: UUID, files: Sequence[str]) -> dict[str, list[Known]]:
    """The messages of these files that were imported before, by file, ordered by position."""
    known: dict[str, list[Known]] = {}
    for file, position, sha256, direction, body, at in await conn.fetch(LIST_KNOWN, tenant_id, list(files)):
        content = None if body is None else (direction, body, at)
        known.setdefault(file, []).append(Known(position, sha256, content))
    return known


async def add_messages(
    conn: asyncpg.Connection, tenant_id: UUID, conversation: OpenConversation, rows: list[ImportRow]
) -> None:
    """Append messages in this order, in batches, so that no statement takes long."""
    if not rows:
        return
    for begin in range(0, len(rows), BATCH):
        await _add_batch(conn, tenant_id, conversation, rows[begin : begin + BATCH], conversation.last_seq + begin + 1)
    times = [row.created_at for row in rows]
    await conn.execute(CLOSE, conversation.id, conversation.last_seq + len(rows), min(times), max(times))


async def _add_batch(
    conn: asyncpg.Connection, tenant_id: UUID, conversation: OpenConversation, rows: list[ImportRow], first: int
) -> None:
    await conn.execute(
        ADD_MESSAGES,
        tenant_id,
        conversation.id,
        list(range(first, first + len(rows))),
        [row.id for row in rows],
        [row.direction for row in rows],
        [row.channel for row in rows],
        [row.body for row in rows],
        [row.status for row in rows],
        [orjson.dumps(row.metadata).decode() for row in rows],
        [row.created_at for row in rows],
        [row.original for row in rows],
        [row.file for row in rows],
        [row.position for row in rows],
        [row.sha256 for row in rows],
    )


async def add_files(
    conn: asyncpg.Connection, tenant_id: UUID, conversation_id: UUID, layouts: dict[str, dict[str, Any]]
) -> None:
    texts = [orjson.dumps(layout).decode() for layout in layouts.values()]
    await conn.execute(ADD_FILES, tenant_id, conversation_id, list(layouts), texts)


async def add_contact(conn: asyncpg.Connection, tenant_id: UUID, phone: str, *, new_id: UUID) -> None:
    await conn.execute(ADD_CONTACT, new_id, tenant_id, phone)


async def list_imported(conn: asyncpg.Connection, tenant_id: UUID, files: Sequence[str]) -> list[ImportedRow]:
    """All messages that were ever imported from these files."""
    return [ImportedRow(*row) for row in await conn.fetch(LIST_IMPORTED, tenant_id, list(files))]


async def each_conversation(conn: asyncpg.Connection, tenant_id: UUID) -> AsyncIterator[tuple[UUID, UUID, str]]:
    """Yields (id, user, phone) of each conversation of the tenant."""
    after = UUID(int=0)
    while rows := await conn.fetch(LIST_CONVERSATIONS, tenant_id, after):
        for row in rows:
            yield row["id"], row["user_id"], row["contact_phone"]
        after = rows[-1]["id"]


async def list_files(conn: asyncpg.Connection, tenant_id: UUID, conversation_id: UUID) -> list[ImportedFile]:
    return [ImportedFile(*row) for row in await conn.fetch(LIST_FILES, tenant_id, conversation_id)]


async def list_with_origin(conn: asyncpg.Connection, conversation_id: UUID) -> list[MessageWithOrigin]:
    """All messages of the conversation, oldest first."""
    rows = await conn.fetch(LIST_ALL_MESSAGES, conversation_id)
    return [MessageWithOrigin(message_of(row), row["original"], row["file"], row["position"]) for row in rows]


async def list_folders(conn: asyncpg.Connection, tenant_id: UUID) -> dict[UUID, str]:
    """The legacy folder of each user, where known."""
    return {row["user_id"]: row["folder"] for row in await conn.fetch(LIST_FOLDERS, tenant_id)}
