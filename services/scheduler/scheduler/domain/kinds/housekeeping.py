"""Housekeeping: what the product has done again and again, declared here and nowhere else.

Inboxes and idempotency keys are pruned by each service for itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID, uuid5

from scheduler.domain.kinds.firing import Firing, Kind, plain_skip
from scheduler.domain.schedules import Occurrence, Schedule
from switchboard.contracts.auth import TrialSweep
from switchboard.contracts.conversations import CallsCleanup
from switchboard.contracts.files import FilesCleanup
from switchboard.contracts.message import Command

KIND = "housekeeping"
SCHEDULED = "scheduled"
OVER = "over"
NAMESPACE = UUID("5f4d8c0a-52a6-4d5b-9a53-6c1d3f6f3d10")


@dataclass(frozen=True)
class Chore:
    """`rule` is meant in UTC, from midnight on. `at_start`: also when an instance of the scheduler starts."""

    command: Command
    rule: str
    at_start: bool = False

    @property
    def name(self) -> str:
        return self.command.type

    @property
    def id(self) -> UUID:
        return uuid5(NAMESPACE, self.name)


CHORES = (
    Chore(TrialSweep(), "FREQ=HOURLY", at_start=True),
    Chore(CallsCleanup(), "FREQ=MINUTELY;INTERVAL=5"),
    Chore(FilesCleanup(), "FREQ=HOURLY;BYMINUTE=20"),
)
_BY_NAME = {chore.name: chore for chore in CHORES}


def fire(schedule: Schedule, _occurrence: Occurrence) -> Firing:
    """Have it done."""
    return Firing(SCHEDULED, _BY_NAME[schedule.payload["chore"]].command)


kind = Kind(fire=fire, skip=plain_skip(OVER))
