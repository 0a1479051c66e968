"""The end of trials: each at its exact time, and hourly those that were missed.

The cache is invalidated a second later, by the worker for pending invalidations. Until then gateways compare
`trial_ends_at` with the time themselves.
"""

from datetime import UTC, datetime

from auth.domain.events import trial_expired
from auth.domain.session_invalidation import invalidate_tenant
from auth.domain.tenants import Tenant
from auth.store import cache_invalidations, tenants
from switchboard.contracts.auth import TrialExpire, TrialSweep
from switchboard.messaging.outbox.unit_of_work import Work

BATCH = 500


async def expire_trial(command: TrialExpire, work: Work) -> None:
    """End the trial, unless it was extended since this command was planned."""
    tenant = await tenants.lock(work.conn, command.tenant_id)
    if tenant.status == "trial" and tenant.trial_ends_at == command.trial_ends_at:
        await _expire(work, tenant)


async def sweep_trials(_command: TrialSweep, work: Work) -> None:
    """End every trial that is over but not yet stored as expired."""
    for tenant in await tenants.lock_expired(work.conn, datetime.now(UTC), BATCH):
        await _expire(work, tenant)


async def _expire(work: Work, tenant: Tenant) -> None:
    expired = tenant.expired()
    await tenants.save(work.conn, expired)
    await cache_invalidations.add(work.conn, [invalidate_tenant(tenant.id)])
    await work.publish(trial_expired(expired), tenant_id=tenant.id)
