"""Events on their way into the log, and entries on their way out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """What the log keeps of an event. `data` is JSON, encoded once for everybody who will get it."""

    id: str
    type: str
    time: str
    room: str
    data: bytes
    trace: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """An event in its place. The parts are bytes as Redis gave them: most are passed on untouched."""

    place: bytes
    before: bytes  # the place of the entry before this one, whether that is still kept or not
    id: bytes
    type: bytes
    time: bytes
    room: bytes
    data: bytes
    trace: bytes
