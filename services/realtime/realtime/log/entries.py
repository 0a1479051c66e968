"""Entries of the event log, as they are appended and as they are read."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TenantEntry:
    """An event to append. `data` is JSON, encoded once for all clients."""

    id: str
    type: str
    time: str
    room: str
    data: bytes
    trace: str = ""


@dataclass(frozen=True, slots=True)
class ReadEntry:
    """An entry read from the log. The fields are bytes as Redis returned them: most are passed on untouched."""

    stream_id: bytes
    previous: bytes
    """The stream id of the entry before this one, whether or not that is still stored."""
    id: bytes
    type: bytes
    time: bytes
    room: bytes
    data: bytes
    trace: bytes
