"""Uploads through us: a row first, then the bytes, then both are there for all to see."""

from __future__ import annotations

import asyncio

import structlog

from files.actions.deps import Desk
from files.adapters.receiving import Incoming, pass_on
from files.domain.content_types import ENOUGH, kind_of, served_as
from files.domain.file_names import disposition, key_of
from files.domain.files import Arriving, File, Received, UploadExpired
from files.store import files as store
from switchboard.messaging.outbox.unit_of_work import Work, open_work
from switchboard.runtime.unavailable import Unavailable

DISCARD_SECONDS = 10.0

log = structlog.get_logger(__name__)


async def receive_file(
    arriving: Arriving, incoming: Incoming, announced: int | None, desk: Desk
) -> tuple[File, Received]:
    """Put the bytes into the bucket as they come. On any failure nothing stays: neither object nor row."""
    content_type = kind_of(await incoming.peek(ENOUGH), arriving.name.extension)
    row = await _add_row(arriving, content_type, announced or 0, desk)
    try:
        async with asyncio.timeout(desk.upload_lifetime.total_seconds()):
            received = await pass_on(
                incoming,
                announced,
                desk.bucket,
                row.key,
                content_type=served_as(content_type),
                disposition=disposition(row.name),
                room=desk.room,
            )
    except BaseException:
        await asyncio.shield(discard(row, desk))
        raise
    return row, received


async def store_file(row: File, received: Received, work: Work) -> File:
    """The bytes are in place: tell. When this fails, nobody knows whether it was committed: the row and the cleanup
    will tell what becomes of the bytes. Raises `UploadExpired`."""
    file = await store.save_stored(
        work.conn, row.id, row.state, size=received.size, sha256=received.sha256, content_type=row.content_type
    )
    if file is None:
        raise UploadExpired
    await work.publish(file.uploaded(), tenant_id=file.tenant_id)
    return file


async def discard(row: File, desk: Desk) -> None:
    """Remove the bytes, then the row, of an upload that came to nothing. What fails here, the cleanup does later."""
    try:
        async with asyncio.timeout(DISCARD_SECONDS):
            await desk.bucket.leave_nothing(row.key)
            async with desk.database.connection() as conn:
                await store.drop_file(conn, row.id, row.state)
    except (Unavailable, TimeoutError) as trouble:
        log.warning("left_to_the_cleanup", key=row.key, reason=str(trouble))


async def _add_row(arriving: Arriving, content_type: str, size: int, desk: Desk) -> File:
    place = arriving.place
    async with open_work(desk.database, tenant_id=place.tenant_id) as work:
        return await store.add_file(
            work.conn,
            id=arriving.id,
            tenant_id=place.tenant_id,
            state="uploading",
            name=str(arriving.name),
            key=key_of(
                arriving.name,
                tenant_id=place.tenant_id,
                entity_type=place.entity_type,
                entity_id=place.entity_id,
                unique=arriving.id,
            ),
            size=size,
            content_type=content_type,
            sha256=None,
            entity_type=place.entity_type,
            entity_id=place.entity_id,
            uploaded_by=arriving.uploaded_by,
            lifetime=desk.upload_lifetime,
        )
