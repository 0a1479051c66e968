"""SQL for the cleanup: expired uploads, deleted files, and the comparison of rows with the objects in the bucket."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from asyncpg import Connection

from files.domain.files import File, State
from files.store.columns import COLUMNS

LEFTOVERS = f"""
select {COLUMNS} from files
where id > $2 and (state in ('uploading', 'announced', 'completing') and expires_at < clock_timestamp() - $1::interval
   or state = 'deleted' and greatest(deleted_at, expires_at) < clock_timestamp() - $1::interval)
order by id limit $3
"""


async def list_leftovers(conn: Connection, older_than: timedelta, after: UUID, limit: int) -> list[File]:
    """Expired uploads, and deleted files with bytes that may still exist, by id."""
    return [File(**row) for row in await conn.fetch(LEFTOVERS, older_than, after, limit)]


async def mark_expired(conn: Connection, upload: File) -> bool:
    """Mark an expired upload deleted, so that it can't be completed meanwhile. False if its state has changed."""
    done: str = await conn.execute(
        """
        update files set state = 'deleted', deleted_at = clock_timestamp()
        where id = $1 and state = $2 and expires_at < clock_timestamp()
        """,
        upload.id,
        upload.state,
    )
    return done != "UPDATE 0"


async def list_states(conn: Connection, ids: Sequence[UUID]) -> dict[UUID, State]:
    """The states of the files that have a row."""
    rows = await conn.fetch("select id, state from files where id = any($1::uuid[])", list(ids))
    return {row["id"]: row["state"] for row in rows}


async def list_known_keys(conn: Connection, keys: Sequence[str]) -> set[str]:
    """The keys that have a row."""
    return {row["key"] for row in await conn.fetch("select key from files where key = any($1::text[])", list(keys))}


async def list_still_stored(conn: Connection, keys: Sequence[str]) -> list[str]:
    """The keys that belong to stored files, in order."""
    rows = await conn.fetch(
        "select key from files where key = any($1::text[]) and state = 'stored' order by key", list(keys)
    )
    return [row["key"] for row in rows]


async def list_stored_keys(conn: Connection, after: str, older_than: timedelta, limit: int) -> list[tuple[str, int]]:
    """Keys and sizes of stored files, by key."""
    rows = await conn.fetch(
        """
        select key, size from files
        where state = 'stored' and key > $1 and created_at < clock_timestamp() - $2::interval
        order by key limit $3
        """,
        after,
        older_than,
        limit,
    )
    return [(row["key"], row["size"]) for row in rows]
