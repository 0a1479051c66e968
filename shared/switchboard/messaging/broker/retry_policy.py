"""The retry policy: how often and after which pauses a failed message is retried before it is dead-lettered."""

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
class RetryPolicy:
    """Retries of an ordered subscription happen in place, those of an unordered one through delay queues.

    `in_place`: how long a partition waits for one message. `pauses`: between its attempts; the last one repeats.
    `delays`: one per retry of an unordered subscription.
    """

    in_place: timedelta = timedelta(seconds=30)
    pauses: tuple[timedelta, ...] = tuple(timedelta(seconds=s) for s in (0.1, 0.2, 0.5, 1, 2, 5))
    delays: tuple[timedelta, ...] = DELAYS

    def pause_in_place(self, attempts: int) -> float:
        """Seconds to wait after that many attempts."""
        return self.pauses[min(attempts, len(self.pauses)) - 1].total_seconds()


DEFAULT_RETRY_POLICY = RetryPolicy()
