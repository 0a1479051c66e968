"""Rooms and room fan-out: the members on this instance, by tenant and user, and the entries that reach them.

A room follows from the identity of a session; nothing that a client sends chooses one. All of it is plain memory and
synchronous.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from realtime.fanout.frames import DISCONNECT_FRAME, Frame, closing_frame, entry_frame, ephemeral_frame
from realtime.log.entries import ReadEntry
from realtime.log.stream_ids import StreamId
from switchboard.runtime.rate_limits import TokenBucket

TENANT_ROOM = "tenant"
REVOCATIONS = "revocations"
EVENTS_PER_SECOND = 20
BURST = 40


def user_room(user_id: UUID | str) -> str:
    return f"user:{user_id}"


class MemberSocket(Protocol):
    """The part of a connection that members use."""

    @property
    def congested(self) -> bool:
        """Whether so much is queued that catch-up should pause."""

    def push(self, frame: Frame) -> None:
        """Send a frame, in order, without waiting."""

    async def wait_drained(self) -> None:
        """Wait until the socket is no longer congested, or closed."""

    def close_soon(self, reason: str) -> None:
        """Close the connection in the background, after the frames that were pushed."""


@dataclass(eq=False, slots=True)
class RoomMember:
    """An authenticated connection. Until it is live, new entries of the log are not pushed to it."""

    socket: MemberSocket
    tenant_id: UUID
    user_id: UUID
    session_id: UUID
    expires_at: datetime | None = None
    caught_up: StreamId | None = None
    """It has all entries up to this one, and becomes live as soon as the dispatcher has come as far."""
    leaving: bool = False
    unverifiable_from: float = 0.0
    """Monotonic time from which on the session has to be authenticated again. Zero: never."""
    rate_limit: TokenBucket = field(default_factory=lambda: TokenBucket(per_second=EVENTS_PER_SECOND, burst=BURST))
    """The rate limit of the client events that it sends."""

    @property
    def rooms(self) -> tuple[bytes, bytes]:
        return TENANT_ROOM.encode(), user_room(self.user_id).encode()

    def disconnect(self, reason: str) -> None:
        """Disconnect a session that has ended. Its client doesn't reconnect by itself."""
        self.leaving = True
        self.socket.push(closing_frame(reason))
        self.socket.push(DISCONNECT_FRAME)
        self.socket.close_soon(reason)


@dataclass(slots=True)
class _Tenant:
    live: set[RoomMember] = field(default_factory=set)
    users: dict[bytes, set[RoomMember]] = field(default_factory=dict)
    """The live members by the name of their user room."""
    joining: set[RoomMember] = field(default_factory=set)

    def make_live(self, member: RoomMember) -> None:
        self.joining.discard(member)
        self.live.add(member)
        self.users.setdefault(member.rooms[1], set()).add(member)

    def make_caught_up_live(self, *, before: StreamId | None = None) -> None:
        for member in tuple(self.joining):
            if member.caught_up is not None and (before is None or member.caught_up < before):
                self.make_live(member)

    def remove(self, member: RoomMember) -> None:
        self.joining.discard(member)
        self.live.discard(member)
        room = self.users.get(member.rooms[1], set())
        room.discard(member)
        if not room:
            self.users.pop(member.rooms[1], None)

    def room(self, name: bytes) -> Collection[RoomMember]:
        return self.live if name == TENANT_ROOM.encode() else self.users.get(name, ())


class Rooms:
    """The members on this instance, and the fan-out of entries to them."""

    def __init__(self) -> None:
        self._tenants: dict[UUID, _Tenant] = {}

    def add(self, member: RoomMember) -> None:
        """Add a member that is not live yet."""
        self._tenants.setdefault(member.tenant_id, _Tenant()).joining.add(member)

    def remove(self, member: RoomMember) -> None:
        tenant = self._tenants.get(member.tenant_id)
        if tenant is not None:
            tenant.remove(member)
            if not tenant.live and not tenant.joining:
                del self._tenants[member.tenant_id]

    def go_live(self, member: RoomMember, after: StreamId, dispatched: StreamId) -> bool:
        """Make a member live that has all entries up to `after`, now or once the dispatcher has come as far.

        False: the dispatcher is further already, so the member has to catch up more.
        """
        tenant = self._tenants.get(member.tenant_id)
        if tenant is None or member not in tenant.joining:
            return True  # removed meanwhile
        if dispatched > after:
            return False
        if dispatched == after:
            tenant.make_live(member)
        else:
            member.caught_up = after
        return True

    def broadcast(self, tenant_id: UUID, entry: ReadEntry, epoch: str) -> int:
        """Push an entry to all live members of its room. Returns their number."""
        tenant = self._tenants.get(tenant_id)
        if tenant is None:
            return 0
        stream_id = StreamId.parse(entry.stream_id) if tenant.joining else None
        if stream_id is not None:
            tenant.make_caught_up_live(before=stream_id)
        members = tenant.room(entry.room)
        if members:
            frame = entry_frame(entry, epoch)
            for member in members:
                member.socket.push(frame)
        pushed = len(members)
        if stream_id is not None:  # those who got this entry by catching up are live only after it
            tenant.make_caught_up_live(before=StreamId(stream_id.ms, stream_id.seq + 1))
        return pushed

    def broadcast_ephemeral(self, tenant_id: UUID, entry: ReadEntry) -> None:
        """Push an event that is not in the log to all live members of its room."""
        tenant = self._tenants.get(tenant_id)
        if tenant is not None and (members := tenant.room(entry.room)):
            frame = ephemeral_frame(entry)
            for member in members:
                member.socket.push(frame)

    def make_caught_up_live(self, tenant_id: UUID) -> list[RoomMember]:
        """Make all members live that have caught up, wherever the dispatcher is. Returns all live members."""
        tenant = self._tenants.get(tenant_id, _Tenant())
        tenant.make_caught_up_live()
        return list(tenant.live)

    def live_by_tenant(self) -> Iterator[tuple[UUID, list[RoomMember]]]:
        for tenant_id, tenant in list(self._tenants.items()):
            yield tenant_id, list(tenant.live)

    def tenants(self) -> list[UUID]:
        return list(self._tenants)

    def users_of(self, tenant_id: UUID) -> set[UUID]:
        """The users that have at least one connection on this instance."""
        return {member.user_id for member in self.members_of(tenant_id)}

    def has(self, tenant_id: UUID) -> bool:
        return tenant_id in self._tenants

    def members_of(self, tenant_id: UUID) -> list[RoomMember]:
        tenant = self._tenants.get(tenant_id)
        return list(tenant.live | tenant.joining) if tenant else []

    def __iter__(self) -> Iterator[RoomMember]:
        for tenant in tuple(self._tenants.values()):
            yield from tuple(tenant.live | tenant.joining)
