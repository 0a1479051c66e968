"""Direct uploads: the client puts the bytes into the bucket by a presigned URL, then completes the upload.

The object is read once from the client's key, checked, hashed, and written to its final key. No client can write to the
final key, so the bytes that were hashed are the bytes that are stored.
"""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import PurePath
from uuid import UUID

import structlog

from files.actions.deps import FileDeps
from files.actions.uploads import store_file
from files.adapters.bucket import Bucket
from files.adapters.upload_stream import UploadStream
from files.domain.content_types import (
    SNIFF_BYTES,
    matches_declared,
    resolve_content_type,
    served_content_type,
    sniff_content_type,
)
from files.domain.file_names import content_disposition, incoming_key
from files.domain.files import (
    BadForm,
    CompletionInProgress,
    DeclaredContent,
    File,
    FileTooLarge,
    NewFile,
    NothingUploaded,
    Received,
    UploadExpired,
    UploadMismatch,
)
from files.store import stored_files, uploads
from switchboard.messaging.outbox.unit_of_work import Work, open_work
from switchboard.runtime.refusals import NotFound
from switchboard.runtime.unavailable import Unavailable

COMPLETION_TIMEOUT = timedelta(minutes=2)
COMPLETION_LEASE = timedelta(minutes=5)  # after this another request may claim the completion

log = structlog.get_logger(__name__)


async def announce_upload(new: NewFile, declared: DeclaredContent, deps: FileDeps, work: Work) -> File:
    """Add the row of a direct upload. Raises `FileTooLarge`."""
    if declared.size > deps.max_upload_bytes:
        raise FileTooLarge
    return await uploads.add_upload(work.conn, new, "announced", declared, deps.upload_lifetime)


async def complete_upload(id: UUID, tenant_id: UUID, deps: FileDeps) -> File:
    """Store the uploaded object if it is what was announced. Idempotent: a completed upload returns its file.

    Raises `NotFound`, `UploadExpired`, `CompletionInProgress`, `NothingUploaded`, `UploadMismatch`.
    """
    row = await _claim(id, tenant_id, deps)
    if row.state == "stored":
        return row
    try:
        async with asyncio.timeout(COMPLETION_TIMEOUT.total_seconds()):
            content_type, received = await _copy_checked(row, deps.bucket)
            async with open_work(deps.database, tenant_id=tenant_id) as work:
                file = await store_file(replace(row, content_type=content_type), received, work)
    except (UploadMismatch, BadForm, FileTooLarge):  # the latter two: the object was replaced while it was read
        await _reject(row, deps)
        raise
    except (NothingUploaded, Unavailable, TimeoutError):
        await _release(id, deps)
        raise
    await _delete_incoming(id, deps)
    return file


async def _claim(id: UUID, tenant_id: UUID, deps: FileDeps) -> File:
    async with deps.database.transaction() as conn:
        row = await uploads.claim_completion(conn, id, tenant_id, deps.upload_lifetime, COMPLETION_LEASE)
        if row is not None:
            return row
        found = await stored_files.find_file(conn, id, tenant_id)
    if found is None or found.state in ("uploading", "deleted"):
        raise NotFound
    if found.state == "completing":
        raise CompletionInProgress
    if found.state == "announced":
        raise UploadExpired
    return found


async def _copy_checked(row: File, bucket: Bucket) -> tuple[str, Received]:
    """Check the object and copy it to its final key. Raises `NothingUploaded` or `UploadMismatch`."""
    found = await bucket.find(incoming_key(row.id))
    if found is None:
        raise NothingUploaded
    if found.size != row.size:
        raise _mismatch(f"{row.size} bytes were announced, but {found.size} were uploaded.")
    async with bucket.read(incoming_key(row.id)) as chunks:
        stream = UploadStream(chunks, row.size)
        sniffed = sniff_content_type(await stream.peek(SNIFF_BYTES), PurePath(row.name).suffix)
        if not matches_declared(row.content_type, sniffed):
            raise _mismatch(f"{row.content_type} was announced, but the content is {sniffed}.")
        content_type = resolve_content_type(row.content_type, sniffed)
        await bucket.put(
            row.key,
            stream.take(row.size) if row.size else b"",
            row.size,
            content_type=served_content_type(content_type),
            disposition=content_disposition(row.name),
        )
    received = stream.received()
    if row.sha256 is not None and received.sha256 != row.sha256:
        raise _mismatch("The SHA-256 of the content is not the announced one.")
    return content_type, received


def _mismatch(reason: str) -> UploadMismatch:
    return UploadMismatch(f"{reason} The object has been removed.")


async def _reject(row: File, deps: FileDeps) -> None:
    """Keep the row until the URL has expired: by it the cleanup finds an object that is put once more."""
    async with deps.database.connection() as conn:
        await uploads.reject_upload(conn, row.id)
    await deps.bucket.delete(incoming_key(row.id))
    await deps.bucket.delete(row.key)


async def _release(id: UUID, deps: FileDeps) -> None:
    """Let the client retry the completion now. If that fails, it can when the lease is over."""
    try:
        async with deps.database.connection() as conn:
            await uploads.release_completion(conn, id)
    except Unavailable as error:
        log.warning("completion_left_to_its_lease", id=str(id), reason=str(error))


async def _delete_incoming(id: UUID, deps: FileDeps) -> None:
    """Delete the client's object. The file is stored already, so a failure is left to the cleanup."""
    try:
        await deps.bucket.delete(incoming_key(id))
    except Unavailable as error:
        log.warning("left_to_the_cleanup", key=incoming_key(id), reason=str(error))
