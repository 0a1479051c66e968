"""The systems that are measured, and what their processes use."""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import psutil

from bench.end_to_end.generator import Account
from bench.idle import Usage, usage_of


class RunningSystem(Protocol):
    """A system that runs."""

    @property
    def kinds(self) -> Sequence[str]:
        """Return which messages it takes."""

    def accounts(self, kind: str) -> list[Account]:
        """Return its users, who write messages of this kind."""

    def processes(self) -> Iterator[psutil.Process]:
        """Yield all of its processes, servers too."""

    def settle(self) -> None:
        """Wait until it has nothing left to do."""

    def lengthen(self, conversation: int, length: int) -> None:
        """Fill the users' conversations of that number with messages, in the database, up to this length."""


class System(Protocol):
    """A system to start. Each start goes on with the data of the one before."""

    @property
    def name(self) -> str:
        """Return its name in the tables."""

    def running(self, users: int, tenants: int) -> AbstractContextManager[RunningSystem]:
        """Run it, with so many users signed in."""


@dataclass(frozen=True)
class Sample:
    """What each process has used until now."""

    at: float
    usages: Mapping[psutil.Process, Usage]

    @classmethod
    def of(cls, system: RunningSystem) -> "Sample":
        usages = {}
        for process in system.processes():
            try:
                usages[process] = usage_of(process)
            except (psutil.Error, OSError, IndexError):
                continue  # it has just ended
        return cls(time.monotonic(), usages)


@dataclass(frozen=True)
class Used:
    """CPU seconds and wake-ups by kind of process, between two samples, and the memory (PSS, bytes) at the second."""

    seconds: float
    cpu: dict[str, float]
    wakeups: dict[str, int]
    memory: int

    @classmethod
    def between(cls, before: Sample, after: Sample) -> "Used":
        cpu: dict[str, float] = defaultdict(float)
        wakeups: dict[str, int] = defaultdict(int)
        for process, usage in after.usages.items():
            earlier = before.usages.get(process)
            used = usage if earlier is None else usage.since(earlier)
            cpu[used.name] += used.cpu
            wakeups[used.name] += used.wakeups
        memory = sum(usage.memory for usage in after.usages.values())
        return cls(after.at - before.at, dict(cpu), dict(wakeups), memory)
