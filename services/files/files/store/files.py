"""Every statement of files."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from asyncpg import Connection

from files.domain.files import File, State
from switchboard.runtime.refusals import NotFound

COLUMNS = """
id, tenant_id, state, name, key, size, content_type, sha256, entity_type, entity_id, uploaded_by, created_at, expires_at
"""
ADD = f"""
insert into files (id, tenant_id, state, name, key, size, content_type, sha256, entity_type, entity_id, uploaded_by,
                   expires_at, source_path)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, clock_timestamp() + $12::interval, $13)
returning {COLUMNS}
"""
STORE = f"""
update files set state = 'stored', size = $3, sha256 = $4, content_type = $5, created_at = clock_timestamp(),
                 expires_at = null
where id = $1 and state = $2 and expires_at > clock_timestamp()
returning {COLUMNS}
"""
CLAIM = f"""
update files set state = 'completing', expires_at = clock_timestamp() + $3::interval
where id = $1 and tenant_id = $2 and expires_at > clock_timestamp()
  and (state = 'announced' or state = 'completing' and expires_at < clock_timestamp() + $3::interval - $4::interval)
returning {COLUMNS}
"""
LIST = f"""
select {COLUMNS} from files
where tenant_id = $1 and state = 'stored'
  and ($2::text is null or entity_type = $2) and ($3::text is null or entity_id = $3)
  and ($4::timestamptz is null or (created_at, id) < ($4, $5::uuid))
order by created_at desc, id desc limit $6
"""
DELETE = f"""
update files set state = 'deleted', deleted_at = clock_timestamp()
where id = $1 and tenant_id = $2 and state = 'stored' returning {COLUMNS}
"""
LEFT_OVER = f"""
select {COLUMNS} from files
where id > $2 and (state in ('uploading', 'announced', 'completing') and expires_at < clock_timestamp() - $1::interval
   or state = 'deleted' and greatest(deleted_at, expires_at) < clock_timestamp() - $1::interval)
order by id limit $3
"""


async def add_file(
    conn: Connection,
    *,
    id: UUID,
    tenant_id: UUID,
    state: State,
    name: str,
    key: str,
    size: int,
    content_type: str,
    sha256: str | None,
    entity_type: str,
    entity_id: str,
    uploaded_by: UUID,
    lifetime: timedelta,
    source_path: str | None = None,
) -> File:
    """A file on its way, given up after `lifetime`."""
    row = await conn.fetchrow(
        ADD, id, tenant_id, state, name, key, size, content_type, sha256, entity_type, entity_id, uploaded_by,
        lifetime, source_path,
    )  # fmt: skip
    return _file(row)


async def save_stored(
    conn: Connection, id: UUID, was: State, *, size: int, sha256: str, content_type: str
) -> File | None:
    """Its bytes are in place. None when the upload was given up meanwhile."""
    row = await conn.fetchrow(STORE, id, was, size, sha256, content_type)
    return None if row is None else _file(row)


async def claim_completion(
    conn: Connection, id: UUID, tenant_id: UUID, lifetime: timedelta, lease: timedelta
) -> File | None:
    """Take an announced upload on, or one whose completion was begun more than `lease` ago and never ended."""
    row = await conn.fetchrow(CLAIM, id, tenant_id, lifetime, lease)
    return None if row is None else _file(row)


async def put_back(conn: Connection, id: UUID) -> None:
    """The completion didn't get anywhere: it may be tried again."""
    await conn.execute("update files set state = 'announced' where id = $1 and state = 'completing'", id)


async def refuse(conn: Connection, id: UUID) -> None:
    """What was uploaded is not what was announced. `expires_at` stays: until then somebody may put it again."""
    await conn.execute(
        "update files set state = 'deleted', deleted_at = clock_timestamp() where id = $1 and state = 'completing'", id
    )


async def find_file(conn: Connection, id: UUID, tenant_id: UUID) -> File | None:
    """In whatever state."""
    row = await conn.fetchrow(f"select {COLUMNS} from files where id = $1 and tenant_id = $2", id, tenant_id)
    return None if row is None else _file(row)


async def find_source(conn: Connection, tenant_id: UUID, source_path: str) -> File | None:
    """What came from this path of the original's folder, in whatever state."""
    row = await conn.fetchrow(
        f"select {COLUMNS} from files where tenant_id = $1 and source_path = $2 and state <> 'deleted'",
        tenant_id,
        source_path,
    )
    return None if row is None else _file(row)


async def was_erased(conn: Connection, tenant_id: UUID, source_path: str) -> bool:
    """Whether what came from this path was stored, and deleted since."""
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


async def prolong(conn: Connection, id: UUID, lifetime: timedelta) -> bool:
    """An upload goes on, unless it was given up."""
    done: str = await conn.execute(
        "update files set expires_at = clock_timestamp() + $2::interval where id = $1 and state = 'uploading'",
        id,
        lifetime,
    )
    return done != "UPDATE 0"


async def list_for_export(conn: Connection, tenant_id: UUID, after: UUID, limit: int) -> list[tuple[File, str | None]]:
    """Stored documents by id, with the path that they came from."""
    rows = await conn.fetch(
        f"""
        select {COLUMNS}, source_path from files
        where tenant_id = $1 and state = 'stored' and id > $2 order by id limit $3
        """,
        tenant_id,
        after,
        limit,
    )
    return [(_file({k: v for k, v in row.items() if k != "source_path"}), row["source_path"]) for row in rows]


async def get_stored(conn: Connection, id: UUID, tenant_id: UUID) -> File:
    """Raises `NotFound` for one that isn't there for its users: another tenant's, not yet stored, deleted."""
    file = await find_file(conn, id, tenant_id)
    if file is None or file.state != "stored":
        raise NotFound
    return file


async def list_files(
    conn: Connection,
    tenant_id: UUID,
    *,
    entity_type: str | None,
    entity_id: str | None,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> list[File]:
    """Newest first."""
    at, last = before or (None, None)
    return [_file(row) for row in await conn.fetch(LIST, tenant_id, entity_type, entity_id, at, last, limit)]


async def delete_file(conn: Connection, id: UUID, tenant_id: UUID) -> File:
    """Mark it deleted. Raises `NotFound`."""
    row = await conn.fetchrow(DELETE, id, tenant_id)
    if row is None:
        raise NotFound
    return _file(row)


async def give_up(conn: Connection, id: UUID, state: State) -> bool:
    """Mark an upload that ran out deleted, so that it can't be completed at the last moment."""
    done: str = await conn.execute(
        """
        update files set state = 'deleted', deleted_at = clock_timestamp()
        where id = $1 and state = $2 and expires_at < clock_timestamp()
        """,
        id,
        state,
    )
    return done != "UPDATE 0"


async def drop_file(conn: Connection, id: UUID, state: State) -> bool:
    """Forget a row, if it is still in this state."""
    done: str = await conn.execute("delete from files where id = $1 and state = $2", id, state)
    return done != "DELETE 0"


async def erase(conn: Connection, id: UUID) -> bool:
    """Forget a deleted file, but for the path of the original's folder that it came from."""
    done: str = await conn.execute(
        """
        with gone as (
            delete from files where id = $1 and state = 'deleted' returning tenant_id, source_path, sha256
        ), kept as (
            insert into erased_sources (tenant_id, source_path)
            select tenant_id, source_path from gone where source_path is not null and sha256 is not null
            on conflict do nothing
        )
        select from gone
        """,
        id,
    )
    return done != "SELECT 0"


async def list_left_over(conn: Connection, older_than: timedelta, after: UUID, limit: int) -> list[File]:
    """By id: uploads given up, and deleted files whose bytes may still be there."""
    return [_file(row) for row in await conn.fetch(LEFT_OVER, older_than, after, limit)]


async def list_states(conn: Connection, ids: Sequence[UUID]) -> dict[UUID, State]:
    """The states of those of these that have a row."""
    rows = await conn.fetch("select id, state from files where id = any($1::uuid[])", list(ids))
    return {row["id"]: row["state"] for row in rows}


async def list_known_keys(conn: Connection, keys: Sequence[str]) -> set[str]:
    """Those of these keys that have a row."""
    return {row["key"] for row in await conn.fetch("select key from files where key = any($1::text[])", list(keys))}


async def list_still_stored(conn: Connection, keys: Sequence[str]) -> list[str]:
    """Those of these keys whose files are there for their users, in order."""
    rows = await conn.fetch(
        "select key from files where key = any($1::text[]) and state = 'stored' order by key", list(keys)
    )
    return [row["key"] for row in rows]


async def list_stored_keys(conn: Connection, after: str, older_than: timedelta, limit: int) -> list[tuple[str, int]]:
    """Keys and sizes of what should be in the bucket, by key."""
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


def _file(row: Any) -> File:
    return File(**dict(row))
