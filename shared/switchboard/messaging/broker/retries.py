"""How often and how long a message that fails is tried again, before it is parked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

DELAYS = (
    timedelta(milliseconds=500),
    timedelta(seconds=2),
    timedelta(seconds=10),
    timedelta(seconds=60),
    timedelta(minutes=5),
)


@dataclass(frozen=True)
class Retries:
    """`in_place`: how long a partition waits for one message. `delays`: the pauses where order doesn't matter."""

    in_place: timedelta = timedelta(seconds=30)
    pauses: tuple[timedelta, ...] = tuple(timedelta(seconds=s) for s in (0.1, 0.2, 0.5, 1, 2, 5))
    delays: tuple[timedelta, ...] = DELAYS

    def pause_in_place(self, attempts: int) -> float:
        """Seconds after that many attempts."""
        return self.pauses[min(attempts, len(self.pauses)) - 1].total_seconds()


DEFAULT_RETRIES = Retries()
