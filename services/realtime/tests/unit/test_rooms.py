"""Rooms: when a member becomes live."""

from dataclasses import dataclass, field
from uuid import UUID

import pytest

from realtime.fanout.frames import Frame, entry_frame, ephemeral_frame
from realtime.fanout.rooms import TENANT_ROOM, RoomMember, Rooms
from realtime.log.entries import ReadEntry
from realtime.log.stream_ids import StreamId

TENANT = UUID(int=1)


@dataclass
class Sink:
    """A socket that records its frames."""

    wires: list[bytes] = field(default_factory=list)
    congested = False

    def push(self, frame: Frame) -> None:
        self.wires.append(frame.wire)

    async def wait_drained(self) -> None:
        return

    def close_soon(self, reason: str) -> None:
        return


def entry(stream_id: str) -> ReadEntry:
    return ReadEntry(stream_id.encode(), b"", b"id", b"tenant.updated", b"now", TENANT_ROOM.encode(), b"{}", b"")


@pytest.mark.parametrize("caught_up", ["2-0", "2-5"])
def test_a_member_ahead_of_the_dispatcher_gets_later_entries_once(caught_up: str) -> None:
    rooms, sink = Rooms(), Sink()
    member = RoomMember(sink, TENANT, UUID(int=11), UUID(int=111))
    rooms.add(member)

    assert rooms.go_live(member, StreamId.parse(caught_up), StreamId(1, 0))
    for stream_id in ("1-5", "2-0", "3-0"):
        rooms.broadcast(TENANT, entry(stream_id), "epoch")

    assert sink.wires == [entry_frame(entry("3-0"), "epoch").wire]


def test_a_member_ahead_gets_ephemeral_events_once_it_is_live() -> None:
    rooms, sink = Rooms(), Sink()
    member = RoomMember(sink, TENANT, UUID(int=11), UUID(int=111))
    rooms.add(member)
    rooms.go_live(member, StreamId(2, 0), StreamId(1, 0))

    rooms.broadcast(TENANT, entry("2-0"), "epoch")
    rooms.broadcast_ephemeral(TENANT, entry("9-0"))

    assert sink.wires == [ephemeral_frame(entry("9-0")).wire]
