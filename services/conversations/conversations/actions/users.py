"""Keeping what this service needs to know of users, tenants and documents."""

from __future__ import annotations

from conversations.store import users as store
from switchboard.contracts import auth
from switchboard.contracts.files import FileDeleted, FileUploaded
from switchboard.messaging.outbox.unit_of_work import Work

AnyTenant = auth.TenantCreated | auth.TenantUpdated | auth.TenantTrialExtended | auth.TenantTrialExpired
AnyUser = auth.UserCreated | auth.UserUpdated


async def project_tenant(tenant: AnyTenant, work: Work) -> None:
    """The tenant as the event tells it, unless a newer one was seen."""
    assert work.envelope is not None
    await store.save_tenant(work.conn, tenant.tenant_id, tenant.name, tenant.status, work.envelope.time)


async def project_user(user: AnyUser, work: Work) -> None:
    """The user as the event tells it, unless a newer one was seen."""
    assert work.envelope is not None
    assert work.tenant_id is not None
    known = store.User(
        user.user_id,
        work.tenant_id,
        user.email,
        user.name,
        user.role,
        user.disabled,
        user.notify_phone,
        user.time_zone,
    )
    await store.save_user(work.conn, known, work.envelope.time)


async def project_upload(file: FileUploaded, work: Work) -> None:
    """The tenant has this document: it may be attached."""
    assert work.tenant_id is not None
    await store.save_file(work.conn, work.tenant_id, file.id, deleted=False)


async def project_deletion(file: FileDeleted, work: Work) -> None:
    """It may no longer be attached; messages that have it keep its id."""
    assert work.tenant_id is not None
    await store.save_file(work.conn, work.tenant_id, file.id, deleted=True)
