"""SQL for uploads: from the row that is added before the first byte to the stored file."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from asyncpg import Connection

from files.domain.files import DeclaredContent, File, NewFile, Received, State
from files.store.columns import COLUMNS

ADD = f"""
insert into files (id, tenant_id, state, name, key, size, content_type, sha256, entity_type, entity_id, uploaded_by,
                   expires_at, source_path)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, clock_timestamp() + $12::interval, $13)
returning {COLUMNS}
"""
MARK_STORED = f"""
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


async def add_upload(
    conn: Connection,
    new: NewFile,
    state: State,
    declared: DeclaredContent,
    lifetime: timedelta,
    source_path: str | None = None,
) -> File:
    """Add the row of an upload that expires after `lifetime`. `source_path`: its path in the legacy folder."""
    row: Any = await conn.fetchrow(
        ADD,
        new.id,
        new.subject.tenant_id,
        state,
        new.name,
        new.key,
        declared.size,
        declared.content_type,
        declared.sha256,
        new.subject.entity_type,
        new.subject.entity_id,
        new.uploaded_by,
        lifetime,
        source_path,
    )
    return File(**row)


async def mark_stored(conn: Connection, upload: File, received: Received) -> File | None:
    """Record that the bytes are in the bucket. None when the upload has expired or its state has changed."""
    row = await conn.fetchrow(MARK_STORED, upload.id, upload.state, received.size, received.sha256, upload.content_type)
    return None if row is None else File(**row)


async def extend_upload(conn: Connection, id: UUID, lifetime: timedelta) -> bool:
    """Let an upload expire later. False when it has been cancelled."""
    done: str = await conn.execute(
        "update files set expires_at = clock_timestamp() + $2::interval where id = $1 and state = 'uploading'",
        id,
        lifetime,
    )
    return done != "UPDATE 0"


async def drop_upload(conn: Connection, upload: File) -> None:
    """Delete the row of an upload if its state has not changed."""
    await conn.execute("delete from files where id = $1 and state = $2", upload.id, upload.state)


async def claim_completion(
    conn: Connection, id: UUID, tenant_id: UUID, lifetime: timedelta, lease: timedelta
) -> File | None:
    """Claim the completion of an announced upload, or one that another claimed more than `lease` ago."""
    row = await conn.fetchrow(CLAIM, id, tenant_id, lifetime, lease)
    return None if row is None else File(**row)


async def release_completion(conn: Connection, id: UUID) -> None:
    """Give the claim back after a failure, so that the completion can be retried at once."""
    await conn.execute("update files set state = 'announced' where id = $1 and state = 'completing'", id)


async def reject_upload(conn: Connection, id: UUID) -> None:
    """Mark a mismatched upload deleted. `expires_at` stays: until then its signed URL takes another object."""
    await conn.execute(
        "update files set state = 'deleted', deleted_at = clock_timestamp() where id = $1 and state = 'completing'", id
    )
