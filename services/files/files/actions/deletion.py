"""Deleting: the row first, then by event the bytes."""

from __future__ import annotations

from uuid import UUID

from files.actions.deps import Desk
from files.store import files as store
from switchboard.contracts.envelope import Envelope
from switchboard.contracts.files import FileDeleted
from switchboard.messaging.outbox.unit_of_work import Work


async def delete_file(id: UUID, tenant_id: UUID, work: Work) -> None:
    """From now on nobody finds it. Raises `NotFound`."""
    file = await store.delete_file(work.conn, id, tenant_id)
    await work.publish(file.removed(), tenant_id=tenant_id)


async def erase_bytes(envelopes: list[Envelope], desk: Desk) -> None:
    """Remove what these events say is deleted, then forget the rows. Doing it again does nothing."""
    for envelope in envelopes:
        event = FileDeleted.read(envelope.data)
        await desk.bucket.delete(event.key)
        async with desk.database.connection() as conn:
            await store.erase(conn, event.id)
