"""A bound on attempts to reach an unavailable server: a failure closes the gate for a pause with jitter.

Many tasks of a process want the same server. Without a bound each of them would connect on its own, as often as it is
asked for, and a server that comes back would meet all of them at once.
"""

import random
from time import monotonic

FIRST_PAUSE = 0.05
MOST_PAUSE = 0.8


class ReconnectGate:
    """Shared by all connections of a process to one server."""

    def __init__(self, first: float = FIRST_PAUSE, most: float = MOST_PAUSE) -> None:
        self._first = first
        self._most = most
        self._pause = first
        self._opens_at = float("-inf")
        self._failure: Exception | None = None

    def seconds_closed(self) -> float:
        """Seconds until the next attempt is welcome; 0 when it is now."""
        return max(0.0, self._opens_at - monotonic())

    def last_failure(self) -> Exception | None:
        """The failure that closed the gate; None while it is open."""
        return self._failure if self.seconds_closed() else None

    def failed(self, failure: Exception) -> None:
        """Close the gate. Failures of attempts that ran at the same time count once."""
        if self.seconds_closed():
            return
        self._failure = failure
        self._opens_at = monotonic() + self._pause * random.uniform(0.5, 1.0)
        self._pause = min(self._pause * 2, self._most)

    def succeeded(self) -> None:
        """Open the gate, and begin with short pauses again."""
        self._pause = self._first
        self._opens_at = float("-inf")
        self._failure = None
