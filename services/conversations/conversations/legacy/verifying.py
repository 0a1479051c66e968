"""Verification of an import: compares the database with the legacy files by count, checksum and text."""

from dataclasses import dataclass, field
from hashlib import sha256
from uuid import UUID

from conversations.legacy import store
from conversations.legacy.folder import BrokenFile, Group
from conversations.legacy.messages import storable, texts_in
from conversations.legacy.reading import LegacyMessage, match_known, read_group
from switchboard.postgres.database import Database


@dataclass
class VerifyReport:
    """Counts of a verification. `cleared`: imported, and cleared by their user since."""

    equal: int = 0
    cleared: int = 0
    wrong: list[BrokenFile] = field(default_factory=list)


async def verify_group(database: Database, tenant_id: UUID, group: Group, report: VerifyReport) -> None:
    """Verify one conversation. Files that can't be read are skipped: the import reports them."""
    conversation = read_group(group)
    async with database.connection() as conn:
        rows = await store.list_imported(conn, tenant_id, list(conversation.layouts))
        known = await store.list_known(conn, tenant_id, list(conversation.layouts))
    imported = {(row.file, row.position): row for row in rows}
    for message, one in match_known(conversation, known):
        row = None if one is None else imported[message.identity.file, one.position]
        if row is not None and row.cleared:
            report.cleared += 1
        elif reason := _difference(message, row):
            report.wrong.append(BrokenFile(f"{message.identity.file}[{message.identity.position}]", reason))
        else:
            report.equal += 1


def _difference(message: LegacyMessage, row: store.ImportedRow | None) -> str | None:
    if row is None:
        return "not in the database"
    if row.original is None or row.body is None:
        return "its message is missing, though it was not cleared"
    if sha256(row.original.encode("utf-8", "surrogatepass")).digest() != row.sha256:
        return "its checksum differs"
    if (row.body, row.direction) != (message.parsed.body, message.parsed.direction):
        return "its text or direction differs"
    missing = [text for text in texts_in(message.value) if storable(text) not in row.body]
    if missing:
        return f"its text lacks {missing[0][:40]!r}"
    return None
