"""Rooms: when a member becomes live, and what it gets then."""

from dataclasses import dataclass, field
from uuid import UUID

import pytest

from realtime.fanout.frames import Frame, entry_frame, ephemeral_frame
from realtime.fanout.rooms import RoomMember, Rooms
from switchboard.event_log import StoredEntry

TENANT = UUID(int=1)
KEY = str(TENANT).encode()


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


def entry(position: int) -> StoredEntry:
    return StoredEntry(position, b"tenant", b"tenant.updated id now  {}")


@pytest.fixture
def rooms() -> Rooms:
    return Rooms()


@pytest.fixture
def sink() -> Sink:
    return Sink()


@pytest.fixture
def member(rooms: Rooms, sink: Sink) -> RoomMember:
    member = RoomMember(sink, TENANT, UUID(int=11), UUID(int=111))
    rooms.add(member)
    return member


@pytest.mark.parametrize("seen", [20, 25])
def test_a_member_ahead_of_the_dispatcher_gets_later_entries_once(
    rooms: Rooms, member: RoomMember, sink: Sink, seen: int
) -> None:
    assert rooms.go_live(member, seen)
    for position in (15, 20, 30):
        rooms.broadcast(KEY, entry(position), "epoch")

    assert sink.wires == [entry_frame(entry(30), "epoch").wire]


def test_a_member_that_read_before_the_last_dispatch_reads_on(rooms: Rooms, member: RoomMember, sink: Sink) -> None:
    rooms.broadcast(KEY, entry(15), "epoch")

    assert not rooms.go_live(member, 14)
    rooms.broadcast(KEY, entry(16), "epoch")
    assert rooms.go_live(member, 16)

    assert sink.wires == []


def test_a_member_that_read_before_entries_were_lost_reads_on(rooms: Rooms, member: RoomMember) -> None:
    assert rooms.skip_to(20) == []

    assert not rooms.go_live(member, 19)
    assert rooms.go_live(member, 20)
    assert rooms.skip_to(30) == [member]


def test_a_member_ahead_gets_ephemeral_events(rooms: Rooms, member: RoomMember, sink: Sink) -> None:
    rooms.go_live(member, 20)

    rooms.broadcast_ephemeral(KEY, b"tenant", b"typing", b"{}")

    assert sink.wires == [ephemeral_frame(b"typing", b"{}").wire]
