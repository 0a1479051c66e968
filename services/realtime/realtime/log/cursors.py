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
        if not (position.isascii() and position.isdigit() and int(position) < 2**63):
            return None
        return cls(epoch, int(position))

    def __str__(self) -> str:
        return f"{self.epoch}-{self.position}"
