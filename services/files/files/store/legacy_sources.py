"""SQL for files that came from the legacy platform's folder, each known by its path there."""

from uuid import UUID

from asyncpg import Connection

from files.domain.files import File
from files.store.columns import COLUMNS


async def find_source(conn: Connection, tenant_id: UUID, source_path: str) -> File | None:
    """The file that came from this path, in any state but deleted."""
    row = await conn.fetchrow(
        f"select {COLUMNS} from files where tenant_id = $1 and source_path = $2 and state <> 'deleted'",
        tenant_id,
        source_path,
    )
    return None if row is None else File(**row)


async def was_erased(conn: Connection, tenant_id: UUID, source_path: str) -> bool:
    """Whether the file that came from this path was stored and has been deleted since."""
    found: bool = await conn.fetchval(
        """
        select exists (select from erased_sources where tenant_id = $1 and source_path = $2)
            or exists (select from files where tenant_id = $1 and source_path = $2 and state = 'deleted'
                                           and sha256 is not null)
        """,
        tenant_id,
        source_path,
    )
    return found


async def list_for_export(conn: Connection, tenant_id: UUID, after: UUID, limit: int) -> list[tuple[File, str | None]]:
    """Stored files by id, each with the path that it came from."""
    rows = await conn.fetch(
        f"""
        select {COLUMNS}, source_path from files
        where tenant_id = $1 and state = 'stored' and id > $2 order by id limit $3
        """,
        tenant_id,
        after,
        limit,
    )
    return [(File(**{k: v for k, v in row.items() if k != "source_path"}), row["source_path"]) for row in rows]
