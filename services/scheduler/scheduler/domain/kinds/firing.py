"""The interface of a kind of schedule: which messages and status an occurrence leads to."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from scheduler.domain.schedules import Occurrence, Schedule
from switchboard.contracts.message import Command, Event

RESULT_AT = "told_at"
"""The key in a payload for the time of the last event that was applied."""


@dataclass(frozen=True)
class Firing:
    """The outcome of an occurrence: the new status, the command that carries it out, and the events about it."""

    status: str
    command: Command | None = None
    events: tuple[Event, ...] = ()


@dataclass(frozen=True)
class Kind:
    """A kind of schedule: pure functions of a schedule and its occurrence."""

    fire: Callable[[Schedule, Occurrence], Firing]
    skip: Callable[[Schedule, Occurrence], Firing]

    def settle(self, schedule: Schedule, occurrence: Occurrence) -> Firing:
        """Fire the occurrence, or skip it if the misfire policy says so."""
        return self.skip(schedule, occurrence) if occurrence.skipped else self.fire(schedule, occurrence)


def plain_skip(status: str) -> Callable[[Schedule, Occurrence], Firing]:
    """Skip an occurrence without a message. `status`: the schedule's after its last occurrence."""

    def skip(schedule: Schedule, occurrence: Occurrence) -> Firing:
        return Firing(status if occurrence.is_last else schedule.status)

    return skip


def is_outdated(schedule: Schedule, event_time: datetime) -> bool:
    """Whether a later event was already applied to the schedule. The last event wins, in any order of arrival."""
    applied = schedule.payload.get(RESULT_AT)
    return applied is not None and event_time < datetime.fromisoformat(applied)
