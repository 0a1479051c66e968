"""Holding what stands in the database against the original's files: counts, checksums, texts."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from uuid import UUID

from conversations.legacy import store
from conversations.legacy.folder import Broken, Group
from conversations.legacy.reading import Identity, OldMessage, read_group
from switchboard.postgres.database import Database


@dataclass
class Verdict:
    """`cleared`: brought in, and cleared by their user since."""

    equal: int = 0
    cleared: int = 0
    wrong: list[Broken] = field(default_factory=list)


async def verify_group(database: Database, tenant_id: UUID, group: Group, verdict: Verdict) -> None:
    """One conversation. Files that can't be read are the import's to report."""
    conversation = read_group(group)
    async with database.connection() as conn:
        rows = await store.list_imported(conn, tenant_id, list(conversation.layouts))
    standing = {Identity(row.file, row.position, row.sha256): row for row in rows}
    for message in conversation.messages:
        row = standing.get(message.identity)
        if row is not None and row.cleared:
            verdict.cleared += 1
        elif reason := _difference(message, row):
            verdict.wrong.append(Broken(f"{message.identity.file}[{message.identity.position}]", reason))
        else:
            verdict.equal += 1


def _difference(message: OldMessage, row: store.ImportedRow | None) -> str | None:
    if row is None:
        return "not in the database"
    if row.original is None or row.body is None:
        return "its message is gone, though it was not cleared"
    if sha256(row.original.encode("utf-8", "surrogatepass")).digest() != message.identity.sha256:
        return "its checksum differs"
    if (row.body, row.direction) != (message.meaning.body, message.meaning.direction):
        return "its text or direction differs"
    return None
