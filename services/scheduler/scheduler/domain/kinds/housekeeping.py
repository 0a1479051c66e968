"""Housekeeping: the product's recurring maintenance commands, all declared here.

Each service prunes its own inbox and idempotency keys without a schedule.
"""

from dataclasses import dataclass
from uuid import UUID, uuid5

from scheduler.domain.kinds.firing import Firing, Kind, plain_skip
from scheduler.domain.schedules import Occurrence, Schedule
from switchboard.contracts.auth import TrialSweep
from switchboard.contracts.conversation_commands import CallsCleanup
from switchboard.contracts.files import FilesCleanup
from switchboard.contracts.message import Command

KIND = "housekeeping"
SCHEDULED = "scheduled"
OVER = "over"
NAMESPACE = UUID("5f4d8c0a-52a6-4d5b-9a53-6c1d3f6f3d10")
TASK = "chore"  # the key in a schedule's payload


@dataclass(frozen=True)
class HousekeepingTask:
    """`rule`: a recurrence in UTC from midnight on. `at_start`: also due when an instance of the scheduler starts."""

    command: Command
    rule: str
    at_start: bool = False

    @property
    def name(self) -> str:
        """The type of the command."""
        return self.command.type

    @property
    def id(self) -> UUID:
        return uuid5(NAMESPACE, self.name)


TASKS = (
    HousekeepingTask(TrialSweep(), "FREQ=HOURLY", at_start=True),
    HousekeepingTask(CallsCleanup(), "FREQ=MINUTELY;INTERVAL=5"),
    HousekeepingTask(FilesCleanup(), "FREQ=HOURLY;BYMINUTE=20"),
)
_BY_NAME = {task.name: task for task in TASKS}


def fire(schedule: Schedule, _occurrence: Occurrence) -> Firing:
    """Send the task's command."""
    return Firing(SCHEDULED, _BY_NAME[schedule.payload[TASK]].command)


kind = Kind(fire=fire, skip=plain_skip(OVER))
