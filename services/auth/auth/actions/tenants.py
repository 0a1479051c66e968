"""Changes of a tenant by its owner."""

from datetime import datetime

from auth.domain.events import tenant_updated, trial_extended
from auth.domain.session_invalidation import SessionInvalidation, invalidate_tenant
from auth.domain.tenants import Tenant
from auth.store import cache_invalidations, tenants
from switchboard.messaging.outbox.unit_of_work import Work


async def change_tenant(
    work: Work, now: datetime, *, name: str | None = None, trial_ends_at: datetime | None = None
) -> tuple[Tenant, list[SessionInvalidation]]:
    """Rename the tenant, or extend its trial. Raises `Invalid` for an end that is not later."""
    assert work.tenant_id is not None
    tenant = await tenants.lock(work.conn, work.tenant_id)
    invalidations: list[SessionInvalidation] = []
    if name is not None and name != tenant.name:
        tenant = tenant.renamed(name)
        await work.publish(tenant_updated(tenant))
    if trial_ends_at is not None:
        tenant = tenant.extended(trial_ends_at, now)
        invalidations = [invalidate_tenant(tenant.id)]
        await cache_invalidations.add(work.conn, invalidations)
        await work.publish(trial_extended(tenant))
    await tenants.save(work.conn, tenant)
    return tenant, invalidations
