"""SQL for documents as their users see them, and for their deletion."""

from datetime import datetime
from uuid import UUID

from asyncpg import Connection

from files.domain.files import File
from files.store.columns import COLUMNS
from switchboard.runtime.refusals import NotFound

LIST = f"""
select {COLUMNS} from files
where tenant_id = $1 and state = 'stored'
  and ($2::text is null or entity_type = $2) and ($3::text is null or entity_id = $3)
  and ($4::timestamptz is null or (created_at, id) < ($4, $5::uuid))
order by created_at desc, id desc limit $6
"""
MARK_DELETED = f"""
update files set state = 'deleted', deleted_at = clock_timestamp()
where id = $1 and tenant_id = $2 and state = 'stored' returning {COLUMNS}
"""
ERASE = """
with gone as (
    delete from files where id = $1 and state = 'deleted' returning tenant_id, source_path, sha256
), kept as (
    insert into erased_sources (tenant_id, source_path)
    select tenant_id, source_path from gone where source_path is not null and sha256 is not null
    on conflict do nothing
)
select from gone
"""


async def find_file(conn: Connection, id: UUID, tenant_id: UUID) -> File | None:
    """The file in any state."""
    row = await conn.fetchrow(f"select {COLUMNS} from files where id = $1 and tenant_id = $2", id, tenant_id)
    return None if row is None else File(**row)


async def get_stored(conn: Connection, id: UUID, tenant_id: UUID) -> File:
    """Raises `NotFound` for a file that is another tenant's, not stored yet, or deleted."""
    file = await find_file(conn, id, tenant_id)
    if file is None or file.state != "stored":
        raise NotFound
    return file


async def list_stored(
    conn: Connection,
    tenant_id: UUID,
    *,
    entity_type: str | None,
    entity_id: str | None,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> list[File]:
    """Stored files, newest first."""
    at, last = before or (None, None)
    return [File(**row) for row in await conn.fetch(LIST, tenant_id, entity_type, entity_id, at, last, limit)]


async def mark_deleted(conn: Connection, id: UUID, tenant_id: UUID) -> File:
    """Delete the file for its users. Its row stays until the bytes are deleted. Raises `NotFound`."""
    row = await conn.fetchrow(MARK_DELETED, id, tenant_id)
    if row is None:
        raise NotFound
    return File(**row)


async def erase_file(conn: Connection, id: UUID) -> bool:
    """Delete the row of a deleted file. Its path in the legacy folder, if any, is remembered."""
    done: str = await conn.execute(ERASE, id)
    return done != "SELECT 0"
