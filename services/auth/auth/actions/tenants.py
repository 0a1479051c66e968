"""Changes of a tenant: by its owner, and by the operator."""

from datetime import datetime

from auth.domain.events import tenant_updated, trial_extended
from auth.domain.session_invalidation import PENDING, invalidate_tenant
from auth.domain.tenants import Tenant
from auth.store import cache_invalidations, tenants
from switchboard.messaging.outbox.unit_of_work import Work


async def rename_tenant(work: Work, name: str | None) -> Tenant:
    """Rename the tenant of the work, unless that is its name."""
    tenant = await _lock(work)
    if name is None or name == tenant.name:
        return tenant
    renamed = tenant.renamed(name)
    await tenants.save(work.conn, renamed)
    await work.publish(tenant_updated(renamed))
    return renamed


async def extend_trial(work: Work, trial_ends_at: datetime, now: datetime) -> Tenant:
    """Extend the trial of the work's tenant. Raises `Invalid` for an end that is not later."""
    extended = (await _lock(work)).extended(trial_ends_at, now)
    await _save_and_invalidate(work, extended)
    await work.publish(trial_extended(extended))
    return extended


async def suspend_tenant(work: Work, *, suspended: bool) -> Tenant:
    """Suspend or resume the tenant of the work: the suspension of one that is so already changes nothing."""
    tenant = await _lock(work)
    if tenant.suspended == suspended:
        return tenant
    changed = tenant.with_suspension(suspended)
    await _save_and_invalidate(work, changed)
    await work.publish(tenant_updated(changed))
    return changed


async def _lock(work: Work) -> Tenant:
    assert work.tenant_id is not None
    return await tenants.lock(work.conn, work.tenant_id)


async def _save_and_invalidate(work: Work, tenant: Tenant) -> None:
    """Save what gateways cache. A worker of auth writes the invalidation, woken after the commit."""
    await tenants.save(work.conn, tenant)
    await cache_invalidations.add(work.conn, [invalidate_tenant(tenant.id)])
    work.notify(PENDING)
