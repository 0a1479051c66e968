"""When a trial ends: by its exact timer, or by the hourly sweep for those that were missed."""

from __future__ import annotations

from datetime import datetime

from auth.domain.events import trial_expired
from auth.domain.session_invalidation import Mark, stale_tenant
from auth.domain.users import Tenant
from auth.store import accounts as store
from switchboard.contracts.auth import TrialExpire
from switchboard.messaging.outbox.unit_of_work import Work

SWEEP_AT_ONCE = 500


async def expire_trial(command: TrialExpire, work: Work) -> list[Mark]:
    """End the trial, if it still ends at just this time: one that was extended since is another timer's."""
    tenant = await store.lock_tenant(work.conn, command.tenant_id)
    if tenant.status != "trial" or tenant.trial_ends_at != command.trial_ends_at:
        return []
    return [await _expire(work, tenant)]


async def sweep_trials(work: Work, now: datetime) -> list[Mark]:
    """End every trial whose time has passed."""
    due = await store.list_tenants_to_expire(work.conn, now, SWEEP_AT_ONCE)
    return [await _expire(work, tenant) for tenant in due]


async def _expire(work: Work, tenant: Tenant) -> Mark:
    expired = tenant.expired()
    await store.save_tenant(work.conn, expired)
    mark = stale_tenant(tenant.id)
    await store.add_marks(work.conn, [mark])
    await work.publish(trial_expired(expired), tenant_id=tenant.id)
    return mark
