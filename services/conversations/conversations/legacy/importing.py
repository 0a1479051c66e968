"""Import of legacy messages: each message once, however often a file is imported, without overwriting newer data.

A conversation is one transaction: after a crash whole conversations are imported, and the next run continues.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from uuid_utils.compat import uuid7

from conversations.legacy import store
from conversations.legacy.folder import BrokenFile, Group
from conversations.legacy.matching import Known
from conversations.legacy.reading import LegacyConversation, LegacyMessage, MessageIdentity, match_known, read_group
from switchboard.postgres.database import Database


@dataclass
class ImportReport:
    """Counts of an import or a dry run. `known`: messages that were imported before."""

    files: int = 0
    conversations: int = 0
    added: int = 0
    known: int = 0
    broken: list[BrokenFile] = field(default_factory=list)


async def import_group(database: Database, tenant_id: UUID, group: Group, report: ImportReport, *, dry: bool) -> None:
    """Import the files of one conversation. `dry`: only count."""
    conversation = read_group(group)
    report.broken += conversation.broken
    if not conversation.layouts:
        return
    added = await (_count(database, tenant_id, conversation) if dry else _add(database, tenant_id, conversation))
    report.files += len(conversation.layouts)
    report.conversations += 1
    report.added += added
    report.known += len(conversation.messages) - added


async def _count(database: Database, tenant_id: UUID, conversation: LegacyConversation) -> int:
    async with database.connection() as conn:
        known = await store.list_known(conn, tenant_id, list(conversation.layouts))
    return sum(one is None for _, one in match_known(conversation, known))


async def _add(database: Database, tenant_id: UUID, conversation: LegacyConversation) -> int:
    newest = conversation.messages[-1].at if conversation.messages else datetime.now(UTC)
    async with database.transaction() as conn:
        opened = await store.open_conversation(
            conn, tenant_id, conversation.user_id, conversation.phone, new_id=uuid7(), at=newest
        )
        known = await store.list_known(conn, tenant_id, list(conversation.layouts))
        rows = _rows(conversation, known)
        await store.add_messages(conn, tenant_id, opened, rows)
        layouts = {name: layout.as_json() for name, layout in conversation.layouts.items()}
        await store.add_files(conn, tenant_id, opened.id, layouts)
        await store.add_contact(conn, tenant_id, conversation.phone, new_id=uuid7())
    return len(rows)


def _rows(conversation: LegacyConversation, known: Mapping[str, Sequence[Known]]) -> list[store.ImportRow]:
    """The messages that were never imported; one that was cleared since was imported.

    Their positions go on behind those of the file's messages that were imported.
    """
    new = [message for message, one in match_known(conversation, known) if one is None]
    moved: dict[MessageIdentity, int] = {}
    free = {file: found[-1].position + 1 for file, found in known.items() if found}
    for message in sorted(new, key=lambda message: message.identity.position):
        at = max(message.identity.position, free.get(message.identity.file, 0))
        moved[message.identity] = at
        free[message.identity.file] = at + 1
    return [_row(message, moved[message.identity]) for message in new]


def _row(message: LegacyMessage, position: int) -> store.ImportRow:
    parsed = message.parsed
    return store.ImportRow(
        id=uuid7(),
        direction=parsed.direction,
        channel=parsed.channel,
        body=parsed.body,
        status=parsed.status,
        metadata=parsed.extra,
        created_at=message.at,
        original=message.text,
        file=message.identity.file,
        position=position,
        sha256=message.identity.sha256,
    )
