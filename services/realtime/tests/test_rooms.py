"""When a member becomes live."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

import pytest

from realtime.fanout.frames import Frame, entry_frame, mention_frame
from realtime.fanout.rooms import TENANT_ROOM, Member, Rooms
from realtime.log.entries import Entry
from realtime.log.stream_ids import Place

TENANT = UUID(int=1)


@dataclass
class Sink:
    """In place of a socket."""

    wires: list[bytes] = field(default_factory=list)
    crowded = False

    def push(self, frame: Frame) -> None:
        self.wires.append(frame.wire)

    async def drained(self) -> None:
        return


def entry(place: str) -> Entry:
    return Entry(place.encode(), b"", b"id", b"tenant.updated", b"now", TENANT_ROOM.encode(), b"{}", b"")


@pytest.mark.parametrize("caught_up", ["2-0", "2-5"])
def test_one_who_has_read_further_than_the_tail_hears_what_comes_after_that_once(caught_up: str) -> None:
    rooms, sink = Rooms(), Sink()
    member = Member(sink, TENANT, UUID(int=11), UUID(int=111))
    rooms.add(member)

    assert rooms.go_live(member, Place.read(caught_up), Place(1, 0))
    for place in ("1-5", "2-0", "3-0"):
        rooms.deliver(TENANT, entry(place), "epoch")

    assert sink.wires == [entry_frame(entry("3-0"), "epoch").wire]


def test_one_who_has_read_further_than_the_tail_hears_who_types_once_the_tail_has_come_so_far() -> None:
    rooms, sink = Rooms(), Sink()
    member = Member(sink, TENANT, UUID(int=11), UUID(int=111))
    rooms.add(member)
    rooms.go_live(member, Place(2, 0), Place(1, 0))

    rooms.deliver(TENANT, entry("2-0"), "epoch")
    rooms.mention(TENANT, entry("9-0"))

    assert sink.wires == [mention_frame(entry("9-0")).wire]
