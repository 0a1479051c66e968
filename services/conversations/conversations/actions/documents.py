"""Keep the replica of the tenants' documents."""

from __future__ import annotations

from conversations.store import documents as store
from switchboard.contracts.files import FileDeleted, FileUploaded
from switchboard.messaging.outbox.unit_of_work import Work


async def apply_upload(file: FileUploaded, work: Work) -> None:
    """The tenant has this document: it may be attached."""
    assert work.tenant_id is not None
    await store.save_file(work.conn, work.tenant_id, file.id, deleted=False)


async def apply_deletion(file: FileDeleted, work: Work) -> None:
    """The document may no longer be attached; messages that have it keep its id."""
    assert work.tenant_id is not None
    await store.save_file(work.conn, work.tenant_id, file.id, deleted=True)
