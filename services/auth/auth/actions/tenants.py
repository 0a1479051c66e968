"""A tenant's own settings."""

from __future__ import annotations

from datetime import datetime

from auth.domain.events import tenant_updated, trial_extended
from auth.domain.session_invalidation import Mark, stale_tenant
from auth.domain.users import Tenant
from auth.store import accounts as store
from switchboard.messaging.outbox.unit_of_work import Work


async def change_tenant(
    work: Work, now: datetime, *, name: str | None = None, trial_ends_at: datetime | None = None
) -> tuple[Tenant, list[Mark]]:
    """The tenant renamed, or its trial extended, and the marks to show. Raises `Invalid` for an end no later."""
    assert work.tenant_id is not None
    tenant = await store.lock_tenant(work.conn, work.tenant_id)
    marks: list[Mark] = []
    if name is not None and name != tenant.name:
        tenant = tenant.renamed(name)
        await work.publish(tenant_updated(tenant))
    if trial_ends_at is not None:
        tenant = tenant.extended(trial_ends_at, now)
        marks = [stale_tenant(tenant.id)]
        await store.add_marks(work.conn, marks)
        await work.publish(trial_extended(tenant))
    await store.save_tenant(work.conn, tenant)
    return tenant, marks
