"""Uploads through this service: the row first, then the bytes, then the file is stored and published."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from hashlib import sha256

import structlog

from files.actions.deps import FileDeps
from files.adapters.upload_stream import ObjectWriter, UploadStream
from files.domain.content_types import SNIFF_BYTES, served_content_type, sniff_content_type
from files.domain.file_names import content_disposition
from files.domain.files import DeclaredContent, File, NewFile, Received, UploadExpired
from files.store import uploads
from switchboard.http import idempotency
from switchboard.http.idempotency import IdempotentRequest, StoredAnswer
from switchboard.messaging.outbox.unit_of_work import Work, open_work
from switchboard.runtime.refusals import Refusal
from switchboard.runtime.unavailable import Unavailable

ROUTE = "POST /api/v1/files"  # the scope of idempotency keys
DISCARD_SECONDS = 10.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class FormUpload:
    """A file that arrives in a multipart form. `length`: its bytes, give or take a line break; None if unknown."""

    new: NewFile
    chunks: AsyncIterator[bytes]
    length: int | None
    idempotency_key: str | None


async def upload_file(upload: FormUpload, deps: FileDeps, respond: Callable[[File], StoredAnswer]) -> StoredAnswer:
    """Store and publish the file, and return the response, or that of an earlier upload with the same idempotency key.

    `respond` makes the response of the stored file. On any failure neither an object nor a row stays.
    """
    row, received = await _receive(upload, deps)
    tenant_id = row.tenant_id
    key, request_hash = upload.idempotency_key, fingerprint(row, received)
    keyed = IdempotentRequest(tenant_id, row.uploaded_by, ROUTE, key, request_hash) if key else None
    try:
        async with open_work(deps.database, tenant_id=tenant_id) as work:
            response = await idempotency.claim(work.conn, keyed) if keyed else None
            is_repeated = response is not None
            if response is None:
                response = respond(await store_file(row, received, work))
                if keyed is not None:
                    await idempotency.store_answer(work.conn, keyed, response)
    except Refusal:
        await _discard(row, deps)
        raise
    if is_repeated:
        await _discard(row, deps)
    return response


async def _receive(upload: FormUpload, deps: FileDeps) -> tuple[File, Received]:
    """Add the row and write the bytes to the bucket while they arrive."""
    new, stream = upload.new, UploadStream(upload.chunks, deps.max_upload_bytes)
    content_type = sniff_content_type(await stream.peek(SNIFF_BYTES), new.extension)
    writer = ObjectWriter(deps.bucket, new.key, served_content_type(content_type), content_disposition(new.name))
    declared = DeclaredContent(upload.length or 0, content_type)
    async with deps.database.connection() as conn:
        row = await uploads.add_upload(conn, new, "uploading", declared, deps.upload_lifetime)
    try:
        async with asyncio.timeout(deps.upload_lifetime.total_seconds()):
            return row, await writer.write(stream, upload.length, deps.memory)
    except BaseException:
        await asyncio.shield(_discard(row, deps))
        raise


def fingerprint(row: File, received: Received) -> bytes:
    """A hash of name, entity and content, equal for a repeated upload. Persisted for 24 hours."""
    same = "\n".join((row.name, row.entity_type, row.entity_id, received.sha256))
    return sha256(same.encode()).digest()


async def store_file(row: File, received: Received, work: Work) -> File:
    """Mark the file stored and publish `file.uploaded`. Raises `UploadExpired`.

    A commit that fails may have happened: then the bytes stay, and the cleanup decides by the row's state.
    """
    file = await uploads.mark_stored(work.conn, row, received)
    if file is None:
        raise UploadExpired
    await work.publish(file.uploaded(), tenant_id=file.tenant_id)
    return file


async def _discard(row: File, deps: FileDeps) -> None:
    """Delete the bytes, then the row, of a failed upload. What fails here is left to the cleanup."""
    try:
        async with asyncio.timeout(DISCARD_SECONDS):
            await deps.bucket.purge(row.key)
            async with deps.database.connection() as conn:
                await uploads.drop_upload(conn, row)
    except (Unavailable, TimeoutError) as error:
        log.warning("left_to_the_cleanup", key=row.key, reason=str(error))
