"""The kinds of schedule, one module each. A new kind is a new line in this table."""

from collections.abc import Mapping

from scheduler.domain.kinds import call, campaign, housekeeping, reminder, trial
from scheduler.domain.kinds.firing import Kind

KINDS: Mapping[str, Kind] = {
    call.KIND: call.kind,
    campaign.KIND: campaign.kind,
    reminder.KIND: reminder.kind,
    trial.KIND: trial.kind,
    housekeeping.KIND: housekeeping.kind,
}
