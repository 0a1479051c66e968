"""Bringing the original's messages in: each once, whatever was done before, and nothing of ours overwritten.

A conversation is one transaction: killed at any moment, a run leaves whole conversations behind, and the next goes on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from uuid_utils.compat import uuid7

from conversations.legacy import store
from conversations.legacy.folder import Broken, Group
from conversations.legacy.reading import OldConversation, OldMessage, read_group
from switchboard.postgres.database import Database


@dataclass
class Tally:
    """What a run did, or a dry run would do."""

    files: int = 0
    conversations: int = 0
    added: int = 0
    known: int = 0
    broken: list[Broken] = field(default_factory=list)


async def import_group(database: Database, tenant_id: UUID, group: Group, tally: Tally, *, dry: bool) -> None:
    """One conversation."""
    conversation = read_group(group)
    tally.broken += conversation.broken
    if not conversation.layouts:
        return
    added = await (_count(database, tenant_id, conversation) if dry else _add(database, tenant_id, conversation))
    tally.files += len(conversation.layouts)
    tally.conversations += 1
    tally.added += added
    tally.known += len(conversation.messages) - added


async def _count(database: Database, tenant_id: UUID, conversation: OldConversation) -> int:
    async with database.connection() as conn:
        seen = await store.find_seen(conn, tenant_id, list(conversation.layouts))
    return len(_fresh(conversation, seen))


async def _add(database: Database, tenant_id: UUID, conversation: OldConversation) -> int:
    newest = conversation.messages[-1].at if conversation.messages else datetime.now(UTC)
    async with database.transaction() as conn:
        opened = await store.open_conversation(
            conn, tenant_id, conversation.user_id, conversation.phone, new_id=uuid7(), at=newest
        )
        seen = await store.find_seen(conn, tenant_id, list(conversation.layouts))
        rows = [_row(message) for message in _fresh(conversation, seen)]
        await store.add_messages(conn, tenant_id, opened, rows)
        layouts = {name: layout.as_json() for name, layout in conversation.layouts.items()}
        await store.add_files(conn, tenant_id, opened.id, layouts)
        await store.add_contact(conn, tenant_id, conversation.phone, new_id=uuid7())
    return len(rows)


def _fresh(conversation: OldConversation, seen: set[tuple[str, int, bytes]]) -> list[OldMessage]:
    """Those that never came in; also not those that were cleared since."""
    return [
        message
        for message in conversation.messages
        if (message.identity.file, message.identity.position, message.identity.sha256) not in seen
    ]


def _row(message: OldMessage) -> store.NewRow:
    meaning = message.meaning
    return store.NewRow(
        id=uuid7(),
        direction=meaning.direction,
        channel=meaning.channel,
        body=meaning.body,
        status=meaning.status,
        metadata=meaning.extra,
        created_at=message.at,
        original=message.text,
        file=message.identity.file,
        position=message.identity.position,
        sha256=message.identity.sha256,
    )
