"""Keep the replica of the tenants' documents."""

from conversations.store import documents as store
from switchboard.contracts.files import FileDeleted, FileUploaded
from switchboard.messaging.outbox.unit_of_work import Work


async def apply_upload(file: FileUploaded, work: Work) -> None:
    """Save a document of the tenant, so that it may be attached."""
    assert work.tenant_id is not None
    await store.save_file(work.conn, work.tenant_id, file.id, deleted=False)


async def apply_deletion(file: FileDeleted, work: Work) -> None:
    """Save that a document may no longer be attached. Messages keep its id."""
    assert work.tenant_id is not None
    await store.save_file(work.conn, work.tenant_id, file.id, deleted=True)
