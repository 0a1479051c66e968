"""Sequence numbers of events: the statement that writes an event of a numbered subject gives it its number.

The number is taken under the lock of the subject's row, so that it has no gaps. The event is encoded before, as the
bytes before and after the number: `NUMBERED_BODY` joins them in SQL.
"""

from dataclasses import dataclass, replace
from typing import Self
from uuid import UUID

from switchboard.contracts.envelope import SEQUENCE_DIGITS, Envelope
from switchboard.contracts.message import Event
from switchboard.messaging.outbox.rows import OutboxRow, encode_row, envelope_of

_UNKNOWN = -1
_PLACEHOLDER = f"{_UNKNOWN:0{SEQUENCE_DIGITS}d}".encode()


def sequence_text(number: str) -> str:
    """SQL: the bytes of a number as it stands in an envelope. `number`: an SQL expression."""
    return f"convert_to(lpad(({number})::text, {SEQUENCE_DIGITS}, '0'), 'UTF8')"


@dataclass(frozen=True, slots=True)
class UnnumberedEvent:
    """An event without its sequence number. `before`, `after`: the parts of its body around it."""

    row: OutboxRow
    before: bytes
    after: bytes
    envelope: Envelope

    @classmethod
    def of(cls, event: Event, *, source: str, tenant_id: UUID | None, traceparent: str | None = None) -> Self:
        """Encode an event. `traceparent`: of its cause, where that isn't the current trace."""
        envelope = envelope_of(event, source=source, tenant_id=tenant_id, sequence=_UNKNOWN, traceparent=traceparent)
        row = encode_row(event, envelope)
        before, _, after = row.body.partition(_PLACEHOLDER)  # the first: it comes before the data
        return cls(row, before, after, envelope)

    def numbered(self, sequence: int) -> Envelope:
        """The event with its number."""
        return replace(self.envelope, sequence=sequence)
