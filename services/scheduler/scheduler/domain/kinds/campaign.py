"""Campaigns: a template is sent to an audience from a time on.

scheduled -- due --> running; after `not_after` --> cancelled
scheduled -- pause --> paused -- resume --> scheduled (at once, when its time has passed)
running -- pause --> paused -- resume --> running
scheduled, running, paused -- cancel --> cancelled
running, paused -- campaign.completed --> completed

`campaign.started` and `campaign.progress` move the counts alone, as do late receipts after the end; of two counts the
later told stands. `campaign.completed` leaves a cancelled campaign cancelled.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from scheduler.domain.kinds.firing import Firing, Kind
from scheduler.domain.schedules import Occurrence, Schedule
from switchboard.contracts.conversations import (
    CampaignAudience,
    CampaignCompleted,
    CampaignCounts,
    CampaignEvent,
    CampaignRun,
    CampaignStatus,
    QuietHours,
)
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
TOLD_AT = "told_at"  # in the payload: when the event that the counts come from was made


def fire(schedule: Schedule, occurrence: Occurrence) -> Firing:
    """Have it run, unless it is too late for that."""
    not_after = not_after_of(schedule)
    if not_after is not None and occurrence.now > not_after:
        return skip(schedule, occurrence)
    return Firing(RUNNING, _run(schedule, occurrence))


def skip(schedule: Schedule, occurrence: Occurrence) -> Firing:
    """It doesn't begin any more."""
    return Firing(CANCELLED, None, (told(CampaignCancelled, schedule, CANCELLED),))


def scheduled(schedule: Schedule) -> CampaignScheduled:
    return told(CampaignScheduled, schedule, SCHEDULED)


def paused(schedule: Schedule) -> CampaignPaused:
    return told(CampaignPaused, schedule, PAUSED)


def resumed(schedule: Schedule) -> CampaignResumed:
    return told(CampaignResumed, schedule, RUNNING if has_run(schedule) else SCHEDULED)


def cancelled(schedule: Schedule) -> CampaignCancelled:
    return told(CampaignCancelled, schedule, CANCELLED)


def told(event: type[E], schedule: Schedule, status: CampaignStatus) -> E:
    return event(campaign_id=schedule.id, status=status, counts=counts_of(schedule))


def has_run(schedule: Schedule) -> bool:
    """Whether `conversations` was told to run it."""
    return schedule.fired_at is not None


def counts_of(schedule: Schedule) -> CampaignCounts:
    return CampaignCounts.model_validate(schedule.payload.get("counts", {}))


def not_after_of(schedule: Schedule) -> datetime | None:
    text = schedule.payload.get("not_after")
    return None if text is None else datetime.fromisoformat(text)


def after_result(schedule: Schedule, event: CampaignEvent, made_at: datetime) -> Schedule:
    """The campaign once it is known how far it is."""
    ended = isinstance(event, CampaignCompleted) and schedule.status != CANCELLED
    status = COMPLETED if ended else schedule.status
    known_at = schedule.payload.get(TOLD_AT)
    if known_at is not None and made_at < datetime.fromisoformat(known_at):
        return replace(schedule, status=status)
    counts = event.counts.model_dump(mode="json")
    return replace(
        schedule, status=status, payload={**schedule.payload, "counts": counts, TOLD_AT: made_at.isoformat()}
    )


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
