"""Blocked subjects: their next message could not be published, so their later ones wait for it.

Other subjects go on. Some errors close the channel for every message in flight on it (no permission to publish, no such
exchange, message too large). Each of these messages is then retried alone, on a separate channel.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from time import monotonic

import structlog

from switchboard.messaging.outbox.rows import UnsentRow

RETRY_SECONDS = (0.5, 1, 2, 5, 10, 30)

log = structlog.get_logger(__name__)


@dataclass
class _Blocked:
    row_id: int
    failures: int = 0
    due: float = 0.0  # on the monotonic clock
    isolated: bool = False


class BlockedSubjects:
    """The blocked subjects of a relay, with the time of their next retry. They outlive a channel.

    A subject is retried on the common channel, or isolated: on a separate channel.
    """

    def __init__(self) -> None:
        self._blocked: dict[str, _Blocked] = {}

    def isolate(self, rows: Iterable[UnsentRow]) -> None:
        """One of these closed the channel: retry the first of each subject on a separate channel, at once."""
        first: dict[str, UnsentRow] = {}
        for row in rows:
            first.setdefault(row.subject, row)
        self._blocked |= {subject: _Blocked(row.id, isolated=True) for subject, row in first.items()}

    def block(self, row: UnsentRow, failure: Exception, *, isolated: bool = False) -> None:
        """The message could not be published. Its subject is retried after a pause that grows."""
        failures = self._blocked[row.subject].failures if row.subject in self._blocked else 0
        pause = RETRY_SECONDS[min(failures, len(RETRY_SECONDS) - 1)]
        self._blocked[row.subject] = _Blocked(row.id, failures + 1, monotonic() + pause, isolated)
        log.error("message_not_taken", subject=row.subject, reason=str(failure), retry_in=pause)

    def release(self, subject: str) -> None:
        """The message was published, or is gone."""
        self._blocked.pop(subject, None)

    def waiting(self) -> list[str]:
        """Subjects that must not be published on the common channel now."""
        now = monotonic()
        return [subject for subject, blocked in self._blocked.items() if blocked.isolated or blocked.due > now]

    def seconds_to_retry(self) -> float | None:
        """Seconds until the next retry is due; None when no subject is blocked."""
        if not self._blocked:
            return None
        return max(0.0, min(blocked.due for blocked in self._blocked.values()) - monotonic())

    def due_in_isolation(self) -> dict[int, str]:
        """Messages that are due on a separate channel: row id -> subject."""
        now = monotonic()
        return {
            blocked.row_id: subject
            for subject, blocked in self._blocked.items()
            if blocked.isolated and blocked.due <= now
        }
