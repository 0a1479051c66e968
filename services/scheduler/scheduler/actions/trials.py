"""Follow auth's events of a tenant with the timer of the tenant's trial."""

from dataclasses import replace
from datetime import datetime

from scheduler.actions.planning import notify_firing_loop
from scheduler.domain.kinds.trial import KIND, OVER, SCHEDULED, timer_of
from scheduler.domain.schedules import Schedule
from scheduler.store import schedules
from switchboard.messaging.outbox.unit_of_work import Work
from switchboard.replica.user_replica import TenantEvent


async def follow_trial(work: Work, tenant: TenantEvent, now: datetime) -> None:
    """Set, move or stop the tenant's timer. A timer that has fired for the same time is not set again."""
    timer = await schedules.find_any(work.conn, timer_of(tenant.tenant_id), lock=True)
    ends_at = tenant.trial_ends_at if tenant.status == "trial" else None
    if timer is None:
        if ends_at is not None:
            await schedules.add_schedule(work.conn, _new_timer(tenant, ends_at, now))
    elif ends_at is None:
        if timer.next_at is not None:
            await schedules.save_schedule(work.conn, replace(timer.without_plan(), status=OVER), now)
    elif ends_at != timer.planned_at:
        moved = replace(timer.replanned(ends_at, None), status=SCHEDULED)
        await schedules.save_schedule(work.conn, moved, now)
    notify_firing_loop(work, ends_at, now)


def _new_timer(tenant: TenantEvent, ends_at: datetime, now: datetime) -> Schedule:
    return Schedule(
        id=timer_of(tenant.tenant_id),
        kind=KIND,
        status=SCHEDULED,
        next_at=ends_at,
        planned_at=ends_at,
        tenant_id=tenant.tenant_id,
        created_at=now,
        updated_at=now,
    )
