"""Cursors: the positions in the event log that clients keep."""

from dataclasses import dataclass
from typing import Self

LONGEST = 100


@dataclass(frozen=True, slots=True)
class Cursor:
    """`event_id` and `last_event_id` of clients: a position, and the epoch of the log that it belongs to."""

    epoch: str
    position: int

    @classmethod
    def parse(cls, text: object) -> Self | None:
        """None for text that this release can't have issued: the client has to reload, as with a trimmed cursor."""
        if not isinstance(text, str) or len(text) > LONGEST:
            return None
        epoch, _, position = text.partition("-")
        return cls(epoch, int(position)) if position.isascii() and position.isdigit() else None

    def __str__(self) -> str:
        return f"{self.epoch}-{self.position}"
