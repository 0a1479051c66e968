"""Subjects whose next message the broker would not take, and when each is tried again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from time import monotonic

import structlog

from switchboard.messaging.outbox.rows import UnsentRow

RETRY_SECONDS = (0.5, 1, 2, 5, 10, 30)

log = structlog.get_logger(__name__)


@dataclass
class _Held:
    row_id: int
    failures: int = 0
    due: float = 0.0  # on the monotonic clock
    alone: bool = False


class BlockedSubjects:
    """A subject is tried again among the others; where its message closes the channel for all, on one of its own.

    Outlives the channels: a message that closes them is told by what was in flight as that happened.
    """

    def __init__(self) -> None:
        self._held: dict[str, _Held] = {}

    def suspect(self, rows: Iterable[UnsentRow]) -> None:
        """One of these closed the channel: each is tried alone, at once."""
        for row in rows:
            self._held[row.subject] = _Held(row.id, alone=True)

    def refused(self, row: UnsentRow, failure: Exception, *, alone: bool = False) -> None:
        """The broker would not take it. It is tried again after a pause that grows."""
        held = self._held.setdefault(row.subject, _Held(row.id))
        pause = RETRY_SECONDS[min(held.failures, len(RETRY_SECONDS) - 1)]
        self._held[row.subject] = _Held(row.id, held.failures + 1, monotonic() + pause, alone)
        log.error("message_not_taken", subject=row.subject, reason=str(failure), retry_in=pause)

    def release(self, subject: str) -> None:
        """Its message was taken, or is gone."""
        self._held.pop(subject, None)

    def waiting(self) -> list[str]:
        """Subjects that are not to be sent among the others now."""
        now = monotonic()
        return [subject for subject, held in self._held.items() if held.alone or held.due > now]

    def due_alone(self) -> dict[int, str]:
        """What is to be tried on a channel of its own now: row id -> subject."""
        now = monotonic()
        return {held.row_id: subject for subject, held in self._held.items() if held.alone and held.due <= now}
