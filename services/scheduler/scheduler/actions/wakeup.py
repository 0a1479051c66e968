"""Waking the leader for what is planned sooner than it expects."""

from __future__ import annotations

from datetime import datetime, timedelta

from switchboard.messaging.outbox.unit_of_work import Work

SCHEDULES = "schedules"  # the channel that wakes the leader

LONGEST_SLEEP = 5.0  # seconds; a notification may be lost with the process that was to send it


def notify_leader(work: Work, due_at: datetime | None, now: datetime) -> None:
    """Wake the leader after the commit, unless it looks by itself before then."""
    if due_at is not None and due_at < now + timedelta(seconds=2 * LONGEST_SLEEP):
        work.notify(SCHEDULES)
