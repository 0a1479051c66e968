"""Uploads past us: announced, put by the client to a place of its own, then looked at and taken over.

What we hash is what we store: the object is read once and written under its final key, which was never open to anybody.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import PurePath
from uuid import UUID

import structlog

from files.actions.deps import Desk
from files.actions.uploads import store_file
from files.adapters.bucket import Bucket
from files.adapters.receiving import Incoming
from files.domain.content_types import ENOUGH, agree, kind_of, served_as, settled
from files.domain.file_names import disposition, incoming_key, key_of
from files.domain.files import (
    Arriving,
    BadForm,
    BeingCompleted,
    File,
    FileTooLarge,
    Mismatch,
    NothingUploaded,
    Received,
    UploadExpired,
)
from files.store import files as store
from switchboard.messaging.outbox.unit_of_work import Work, open_work
from switchboard.runtime.refusals import NotFound
from switchboard.runtime.unavailable import Unavailable

COMPLETION = timedelta(minutes=2)  # is cut off after this
COMPLETION_LEASE = timedelta(minutes=5)  # and may then be begun again

log = structlog.get_logger(__name__)


async def announce_upload(
    arriving: Arriving, *, size: int, content_type: str, sha256: str | None, desk: Desk, work: Work
) -> File:
    """Remember what somebody is going to put. Raises `FileTooLarge`."""
    if size > desk.limit:
        raise FileTooLarge
    place = arriving.place
    return await store.add_file(
        work.conn,
        id=arriving.id,
        tenant_id=place.tenant_id,
        state="announced",
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
        sha256=sha256,
        entity_type=place.entity_type,
        entity_id=place.entity_id,
        uploaded_by=arriving.uploaded_by,
        lifetime=desk.upload_lifetime,
    )


async def complete_upload(id: UUID, tenant_id: UUID, desk: Desk) -> File:
    """Take over what was put, if it is what was announced; done before, the same file again.

    Raises `NotFound`, `UploadExpired`, `BeingCompleted`, `NothingUploaded`, `Mismatch`.
    """
    row = await _claim(id, tenant_id, desk)
    if row.state == "stored":
        return row
    try:
        async with asyncio.timeout(COMPLETION.total_seconds()):
            content_type, received = await _take_over(row, desk.bucket)
            async with open_work(desk.database, tenant_id=tenant_id) as work:
                file = await store_file(replace(row, content_type=content_type), received, work)
    except (Mismatch, BadForm, FileTooLarge):  # the latter two: another object came while this one was read
        await _refuse(row, desk)
        raise
    except (NothingUploaded, Unavailable, TimeoutError):
        await _put_back(id, desk)
        raise
    await _tidy(id, desk)
    return file


async def _claim(id: UUID, tenant_id: UUID, desk: Desk) -> File:
    async with desk.database.transaction() as conn:
        row = await store.claim_completion(conn, id, tenant_id, desk.upload_lifetime, COMPLETION_LEASE)
        if row is not None:
            return row
        found = await store.find_file(conn, id, tenant_id)
    if found is None or found.state in ("uploading", "deleted"):
        raise NotFound
    if found.state == "completing":
        raise BeingCompleted
    if found.state == "announced":
        raise UploadExpired
    return found


async def _take_over(row: File, bucket: Bucket) -> tuple[str, Received]:
    """Read, judge and store: what it is, and what arrived. Raises `NothingUploaded` or `Mismatch`."""
    found = await bucket.find(incoming_key(row.id))
    if found is None:
        raise NothingUploaded
    if found.size != row.size:
        raise Mismatch(f"{row.size} bytes were announced, and {found.size} uploaded. The object has been removed.")
    async with bucket.read(incoming_key(row.id)) as chunks:
        incoming = Incoming(chunks, row.size)
        kind = kind_of(await incoming.peek(ENOUGH), PurePath(row.name).suffix)
        if not agree(row.content_type, kind):
            raise Mismatch(f"{row.content_type} was announced, and this is {kind}. The object has been removed.")
        content_type = settled(row.content_type, kind)
        body: AsyncIterator[bytes] = incoming.take(row.size)
        await bucket.put(
            row.key,
            body if row.size else b"",
            row.size,
            content_type=served_as(content_type),
            disposition=disposition(row.name),
        )
    received = incoming.received()
    if row.sha256 is not None and received.sha256 != row.sha256:
        raise Mismatch("The SHA-256 is not the one that was announced. The object has been removed.")
    return content_type, received


async def _refuse(row: File, desk: Desk) -> None:
    """The row stays until the URL has run out: what is put there once more is then removed by the cleanup."""
    async with desk.database.connection() as conn:
        await store.refuse(conn, row.id)
    await desk.bucket.delete(incoming_key(row.id))
    await desk.bucket.delete(row.key)


async def _put_back(id: UUID, desk: Desk) -> None:
    """So that the client can complete it as soon as what was away is back; else only once the lease is over."""
    try:
        async with desk.database.connection() as conn:
            await store.put_back(conn, id)
    except Unavailable as outage:
        log.warning("completion_left_to_its_lease", id=str(id), reason=str(outage))


async def _tidy(id: UUID, desk: Desk) -> None:
    """The file is stored, whatever becomes of what was put."""
    try:
        await desk.bucket.delete(incoming_key(id))
    except Unavailable as outage:
        log.warning("left_to_the_cleanup", key=incoming_key(id), reason=str(outage))
