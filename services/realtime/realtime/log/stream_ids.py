"""Places in a tenant's event log, and how clients name them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """The id of an entry of a Redis stream: milliseconds of Redis' clock, and a number within them."""

    ms: int
    seq: int

    @classmethod
    def read(cls, text: bytes | str) -> Self:
        """Raises ValueError for anything but `<ms>-<seq>`."""
        ms, _, seq = (text.decode() if isinstance(text, bytes) else text).partition("-")
        if not (ms.isascii() and ms.isdigit() and seq.isascii() and seq.isdigit()):
            raise ValueError(f"not a place in the log: {text!r}")
        return cls(int(ms), int(seq))

    def __str__(self) -> str:
        return f"{self.ms}-{self.seq}"


@dataclass(frozen=True, slots=True)
class Position:
    """`event_id` as clients keep it: a place, and the epoch of the log that it belongs to."""

    epoch: str
    place: Place

    @classmethod
    def read(cls, text: object) -> Self | None:
        """None for what we can't have given out: its bearer has to reload, like one whose place is gone."""
        if not isinstance(text, str) or len(text) > 100:
            return None
        epoch, _, place = text.partition("-")
        try:
            return cls(epoch, Place.read(place))
        except ValueError:
            return None

    def __str__(self) -> str:
        return f"{self.epoch}-{self.place}"
