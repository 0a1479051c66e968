"""Hints: the service that stored events appends them to the event log at once, before the bus does.

Nothing depends on a hint. What is lost here comes by the bus, which stays the truth: the log takes each event once, and
refuses one whose predecessor is missing.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from time import monotonic

import structlog

from switchboard.contracts.envelope import Envelope
from switchboard.event_log.entries import LogEntry, entry_of
from switchboard.event_log.writer import EventLogWriter
from switchboard.runtime.refusals import ServiceUnavailable
from switchboard.runtime.unavailable import Unavailable

MOST_IN_FLIGHT = 1000  # events
LATE_SECONDS = 1.0
RETRY_SECONDS = 0.005  # the event before may just be on its way from another instance
PAUSE_SECONDS = 0.5  # after a failure of Redis

MISSING_PREDECESSOR = -1

log = structlog.get_logger(__name__)


class EventsBehind(ServiceUnavailable):
    """More is arriving than can be passed on: try again later."""

    code = "busy"


class EventHints:
    """Hints: appends published events to the event log, in order and without waiting. `enabled`: whether it does."""

    def __init__(self, writer: EventLogWriter, *, enabled: bool) -> None:
        self._writer = writer
        self._enabled = enabled
        self._waiting: deque[tuple[float, list[LogEntry]]] = deque()
        self._in_flight = 0
        self._oldest = 0.0  # when the batch that is being appended was published
        self._sending: asyncio.Task[None] | None = None
        self._paused_until = 0.0

    def send(self, published: Sequence[Envelope]) -> None:
        """Append the numbered events among these. Beyond `MOST_IN_FLIGHT`, and while Redis fails, they are left out."""
        now = monotonic()
        if not self._enabled or self._in_flight >= MOST_IN_FLIGHT or now < self._paused_until:
            return
        numbered = [envelope for envelope in published if envelope.sequence is not None]
        entries = [entry for envelope in numbered if (entry := entry_of(envelope)) is not None]
        if not entries:
            return
        self._in_flight += len(entries)
        self._waiting.append((now, entries))
        if self._sending is None:
            self._sending = asyncio.create_task(self._send())

    def check_busy(self) -> None:
        """Raises `EventsBehind` while so many events are in flight, or one for so long, that clients would notice."""
        if self._in_flight >= MOST_IN_FLIGHT or (self._in_flight and monotonic() - self._oldest > LATE_SECONDS):
            raise EventsBehind

    async def _send(self) -> None:
        """Append all that wait, one batch at a time: so they keep their order."""
        try:
            while self._waiting:
                self._oldest = self._waiting[0][0]
                entries = [entry for _, published in self._waiting for entry in published]
                self._waiting.clear()
                await self._append(entries)
                self._in_flight -= len(entries)
        except Unavailable as error:
            log.info("hints_paused", reason=str(error))
            self._paused_until = monotonic() + PAUSE_SECONDS
        finally:
            self._sending = None
            if self._paused_until > monotonic() or not self._waiting:
                self._waiting.clear()
                self._in_flight = 0

    async def _append(self, entries: Sequence[LogEntry]) -> None:
        positions = await self._writer.append(entries, in_order=False)
        early = [e for e, position in zip(entries, positions, strict=True) if position == MISSING_PREDECESSOR]
        if early:
            await asyncio.sleep(RETRY_SECONDS)
            await self._writer.append(early, in_order=False)
