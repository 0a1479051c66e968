"""Deletion: the row is marked first, the bytes go when the event `file.deleted` is consumed."""

from uuid import UUID

from files.actions.deps import FileDeps
from files.store import stored_files
from switchboard.contracts.envelope import Envelope
from switchboard.contracts.files import FileDeleted
from switchboard.messaging.outbox.unit_of_work import Work


async def delete_file(id: UUID, tenant_id: UUID, work: Work) -> None:
    """Delete the file for its users and publish `file.deleted`. Raises `NotFound`."""
    file = await stored_files.mark_deleted(work.conn, id, tenant_id)
    await work.publish(file.deleted(), tenant_id=tenant_id)


async def erase_bytes(envelopes: list[Envelope], deps: FileDeps) -> None:
    """Delete the objects of deleted files, then their rows. Idempotent."""
    for envelope in envelopes:
        event = FileDeleted.read(envelope.data)
        await deps.bucket.delete(event.key)
        async with deps.database.connection() as conn:
            await stored_files.erase_file(conn, event.id)
