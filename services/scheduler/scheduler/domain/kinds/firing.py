"""What a kind of schedule does when it is due."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from scheduler.domain.schedules import Occurrence, Schedule
from switchboard.contracts.message import Command, Event


@dataclass(frozen=True)
class Firing:
    """The status after an occurrence and what is said: the command that carries it out, the events that tell
    of it.
    """

    status: str
    command: Command | None = None
    events: tuple[Event, ...] = ()


@dataclass(frozen=True)
class Kind:
    """A kind of schedule: pure functions from a schedule and its occurrence."""

    fire: Callable[[Schedule, Occurrence], Firing]
    skip: Callable[[Schedule, Occurrence], Firing]

    def settle(self, schedule: Schedule, occurrence: Occurrence) -> Firing:
        """What this occurrence leads to."""
        return self.skip(schedule, occurrence) if occurrence.skipped else self.fire(schedule, occurrence)


def plain_skip(status: str) -> Callable[[Schedule, Occurrence], Firing]:
    """Leave it out and say nothing; `status` when it was the last one."""

    def skip(schedule: Schedule, occurrence: Occurrence) -> Firing:
        return Firing(status if occurrence.is_last else schedule.status)

    return skip
