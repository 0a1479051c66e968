"""Campaigns: a template is sent to an audience from a planned time on.

scheduled -- due --> running; after `not_after` --> cancelled
scheduled -- pause --> paused -- resume --> scheduled (due at once if its time has passed)
running -- pause --> paused -- resume --> running
scheduled, running, paused -- cancel --> cancelled
running, paused -- campaign.completed --> completed

`campaign.started`, `campaign.progress` and late receipts after the end change the counts only; the last event wins.
`campaign.completed` leaves a cancelled campaign cancelled.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from scheduler.domain.kinds.firing import RESULT_AT, Firing, Kind, is_outdated
from scheduler.domain.schedules import Occurrence, Schedule
from switchboard.contracts.conversation_commands import CampaignAudience, CampaignRun, QuietHours
from switchboard.contracts.conversations import CampaignCompleted, CampaignCounts, CampaignEvent, CampaignStatus
from switchboard.contracts.scheduler import (
    CampaignCancelled,
    CampaignPaused,
    CampaignResumed,
    CampaignScheduled,
)

E = TypeVar("E", bound=CampaignEvent)

KIND = "campaign"
SCHEDULED: CampaignStatus = "scheduled"
RUNNING: CampaignStatus = "running"
PAUSED: CampaignStatus = "paused"
COMPLETED: CampaignStatus = "completed"
CANCELLED: CampaignStatus = "cancelled"


def fire(schedule: Schedule, occurrence: Occurrence) -> Firing:
    """Have the campaign run, unless `not_after` has passed."""
    not_after = not_after_of(schedule)
    if not_after is not None and occurrence.now > not_after:
        return skip(schedule, occurrence)
    return Firing(RUNNING, _run(schedule, occurrence))


def skip(schedule: Schedule, _occurrence: Occurrence) -> Firing:
    """Cancel a campaign that did not start in time."""
    return Firing(CANCELLED, None, (cancelled(schedule),))


def scheduled(schedule: Schedule) -> CampaignScheduled:
    return _event(CampaignScheduled, schedule, SCHEDULED)


def paused(schedule: Schedule) -> CampaignPaused:
    return _event(CampaignPaused, schedule, PAUSED)


def resumed(schedule: Schedule) -> CampaignResumed:
    return _event(CampaignResumed, schedule, RUNNING if has_run(schedule) else SCHEDULED)


def cancelled(schedule: Schedule) -> CampaignCancelled:
    return _event(CampaignCancelled, schedule, CANCELLED)


def has_run(schedule: Schedule) -> bool:
    """Whether `conversations` was commanded to run it."""
    return schedule.fired_at is not None


def counts_of(schedule: Schedule) -> CampaignCounts:
    return CampaignCounts.model_validate(schedule.payload.get("counts", {}))


def not_after_of(schedule: Schedule) -> datetime | None:
    text = schedule.payload.get("not_after")
    return None if text is None else datetime.fromisoformat(text)


def after_result(schedule: Schedule, event: CampaignEvent, event_time: datetime) -> Schedule:
    """The campaign after an event of `conversations`. An outdated event leaves the counts as they are."""
    ended = isinstance(event, CampaignCompleted) and schedule.status != CANCELLED
    status = COMPLETED if ended else schedule.status
    if is_outdated(schedule, event_time):
        return replace(schedule, status=status)
    counts = event.counts.model_dump(mode="json")
    return replace(
        schedule, status=status, payload={**schedule.payload, "counts": counts, RESULT_AT: event_time.isoformat()}
    )


def _event(event: type[E], schedule: Schedule, status: CampaignStatus) -> E:
    return event(campaign_id=schedule.id, status=status, counts=counts_of(schedule))


def _run(schedule: Schedule, occurrence: Occurrence) -> CampaignRun:
    payload: dict[str, Any] = schedule.payload
    quiet = payload.get("quiet_hours")
    assert schedule.user_id is not None
    return CampaignRun(
        campaign_id=schedule.id,
        user_id=schedule.user_id,
        name=payload["name"],
        channel=payload.get("channel"),
        template=payload["template"],
        audience=CampaignAudience.model_validate(payload["audience"], strict=False),
        time_zone=payload.get("time_zone"),
        not_after=not_after_of(schedule),
        quiet_hours=None if quiet is None else QuietHours.model_validate(quiet),
        rate_per_second=payload.get("rate_per_second"),
        late=occurrence.late,
    )


kind = Kind(fire=fire, skip=skip)
