"""Document replica: which documents a tenant has, from the events of `files`."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg

SAVE_FILE = """
insert into files as f (id, tenant_id, deleted) values ($1, $2, $3)
on conflict (id) do update set deleted = f.deleted or excluded.deleted
"""
LIST_FILE_IDS = "select id from files where tenant_id = $1 and id = any($2::uuid[]) and not deleted"


async def save_file(conn: asyncpg.Connection, tenant_id: UUID, file_id: UUID, *, deleted: bool) -> None:
    """Save whether a document exists. A deleted one stays deleted."""
    await conn.execute(SAVE_FILE, file_id, tenant_id, deleted)


async def find_unknown_files(conn: asyncpg.Connection, tenant_id: UUID, file_ids: Sequence[UUID]) -> list[UUID]:
    rows = await conn.fetch(LIST_FILE_IDS, tenant_id, list(file_ids))
    known = {row["id"] for row in rows}
    return [file_id for file_id in file_ids if file_id not in known]
