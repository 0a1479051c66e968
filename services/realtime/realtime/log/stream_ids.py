"""Positions in a tenant's event log: the ids of Redis streams, and the cursors that clients keep."""

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True, order=True)
class StreamId:
    """The id of an entry of a Redis stream: milliseconds of Redis' clock, and a number within them."""

    ms: int
    seq: int

    @classmethod
    def parse(cls, text: bytes | str) -> Self:
        """Raises ValueError for anything but `<ms>-<seq>`."""
        ms, _, seq = (text.decode() if isinstance(text, bytes) else text).partition("-")
        if not (ms.isascii() and ms.isdigit() and seq.isascii() and seq.isdigit()):
            raise ValueError(f"not a stream id: {text!r}")
        return cls(int(ms), int(seq))

    def __str__(self) -> str:
        return f"{self.ms}-{self.seq}"


@dataclass(frozen=True, slots=True)
class Cursor:
    """`event_id` and `last_event_id` of clients: a stream id, and the epoch of the log that it belongs to."""

    epoch: str
    stream_id: StreamId

    @classmethod
    def parse(cls, text: object) -> Self | None:
        """None for text that this service can't have issued: the client has to reload, as with a trimmed cursor."""
        if not isinstance(text, str) or len(text) > 100:
            return None
        epoch, _, stream_id = text.partition("-")
        try:
            return cls(epoch, StreamId.parse(stream_id))
        except ValueError:
            return None

    def __str__(self) -> str:
        return f"{self.epoch}-{self.stream_id}"
