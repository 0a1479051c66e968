"""Trials: a timer per tenant, due when the tenant's trial ends.

scheduled -- due --> over; the trial ended early, or the tenant pays --> over
over, scheduled -- tenant.trial_extended --> scheduled for the new time
"""

from uuid import UUID, uuid5

from scheduler.domain.kinds.firing import Firing, Kind, plain_skip
from scheduler.domain.schedules import Occurrence, Schedule
from switchboard.contracts.auth import TrialExpire

KIND = "trial"
SCHEDULED = "scheduled"
OVER = "over"


def timer_of(tenant_id: UUID) -> UUID:
    return uuid5(tenant_id, KIND)


def fire(schedule: Schedule, occurrence: Occurrence) -> Firing:
    """Have the trial ended. `auth` compares the time, so that a timer that was moved in the meantime does nothing."""
    assert schedule.tenant_id is not None
    return Firing(OVER, TrialExpire(tenant_id=schedule.tenant_id, trial_ends_at=occurrence.at))


kind = Kind(fire=fire, skip=plain_skip(OVER))
