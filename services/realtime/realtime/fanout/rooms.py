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
from switchboard.event_log import TENANT_ROOM, StoredEntry, user_room
from switchboard.runtime.rate_limits import TokenBucket

EVENTS_PER_SECOND = 20
BURST = 40

_TENANT_ROOM = TENANT_ROOM.encode()


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
    seen: int = 0
    """It has all entries up to this position, which may be further than the dispatcher has come."""
    leaving: bool = False
    unverifiable_from: float = 0.0
    """Monotonic time from which on the session has to be authenticated again. Zero: never."""
    rate_limit: TokenBucket = field(default_factory=lambda: TokenBucket(per_second=EVENTS_PER_SECOND, burst=BURST))
    """The rate limit of the client events that it sends."""
    tenant: bytes = field(init=False)
    rooms: tuple[bytes, bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.tenant = str(self.tenant_id).encode()
        self.rooms = (_TENANT_ROOM, user_room(self.user_id).encode())

    def disconnect(self, reason: str) -> None:
        """Disconnect a session that has ended. Its client doesn't reconnect by itself."""
        self.leaving = True
        self.socket.push(closing_frame(reason))
        self.socket.push(DISCONNECT_FRAME)
        self.socket.close_soon(reason)


@dataclass(slots=True)
class _Tenant:
    dispatched: int = 0
    """The position of its last entry that was dispatched while it had members here."""
    live: set[RoomMember] = field(default_factory=set)
    users: dict[bytes, set[RoomMember]] = field(default_factory=dict)
    """The live members by the name of their user room."""
    joining: set[RoomMember] = field(default_factory=set)

    def remove(self, member: RoomMember) -> None:
        self.joining.discard(member)
        self.live.discard(member)
        room = self.users.get(member.rooms[1], set())
        room.discard(member)
        if not room:
            self.users.pop(member.rooms[1], None)

    def room(self, name: bytes) -> Collection[RoomMember]:
        return self.live if name == _TENANT_ROOM else self.users.get(name, ())


class Rooms:
    """The members on this instance, and the fan-out of entries to them. Tenants go by the text of their id."""

    def __init__(self) -> None:
        self._tenants: dict[bytes, _Tenant] = {}

    def add(self, member: RoomMember) -> None:
        """Add a member that is not live yet."""
        self._tenants.setdefault(member.tenant, _Tenant()).joining.add(member)

    def remove(self, member: RoomMember) -> None:
        tenant = self._tenants.get(member.tenant)
        if tenant is not None:
            tenant.remove(member)
            if not tenant.live and not tenant.joining:
                del self._tenants[member.tenant]

    def go_live(self, member: RoomMember, seen: int) -> bool:
        """Make a member live that has all entries up to `seen`. Those that are dispatched again are not pushed again.

        False: later ones have been dispatched while it read, so it has to catch up more.
        """
        tenant = self._tenants.get(member.tenant)
        if tenant is not None and tenant.dispatched > seen:
            return False
        self.go_live_from(member, seen)
        return True

    def go_live_from(self, member: RoomMember, position: int) -> None:
        """Make a member live from a position on, whatever was dispatched before."""
        tenant = self._tenants.get(member.tenant)
        if tenant is None or not (member in tenant.joining or member in tenant.live):
            return  # removed meanwhile
        member.seen = position
        tenant.joining.discard(member)
        tenant.live.add(member)
        tenant.users.setdefault(member.rooms[1], set()).add(member)

    def broadcast(self, tenant_id: bytes, entry: StoredEntry, epoch: str) -> int:
        """Push an entry to all live members of its room that don't have it. Returns the size of the room."""
        tenant = self._tenants[tenant_id]
        tenant.dispatched = entry.position
        members = tenant.room(entry.room)
        if members:
            frame = entry_frame(entry, epoch)
            for member in members:
                if entry.position > member.seen:
                    member.socket.push(frame)
        return len(members)

    def broadcast_ephemeral(self, tenant_id: bytes, room: bytes, name: bytes, data: bytes) -> None:
        """Push an event that is not in the log to all live members of its room."""
        tenant = self._tenants.get(tenant_id)
        if tenant is not None and (members := tenant.room(room)):
            frame = ephemeral_frame(name, data)
            for member in members:
                member.socket.push(frame)

    def skip_to(self, position: int) -> list[RoomMember]:
        """Take all entries up to a position for dispatched. Returns the live members, who don't have them."""
        live: list[RoomMember] = []
        for tenant in self._tenants.values():
            tenant.dispatched = position
            live += tenant.live
        return live

    def live_by_tenant(self) -> Iterator[tuple[bytes, int, list[RoomMember]]]:
        """Of each tenant: its id, the position of its last entry that was dispatched, its live members."""
        for tenant_id, tenant in list(self._tenants.items()):
            yield tenant_id, tenant.dispatched, list(tenant.live)

    def users_by_tenant(self) -> dict[UUID, set[UUID]]:
        """The users that have at least one connection on this instance."""
        users: dict[UUID, set[UUID]] = {}
        for member in self:
            users.setdefault(member.tenant_id, set()).add(member.user_id)
        return users

    def has(self, tenant_id: bytes) -> bool:
        return tenant_id in self._tenants

    def members_of(self, tenant_id: bytes) -> list[RoomMember]:
        tenant = self._tenants.get(tenant_id)
        return list(tenant.live | tenant.joining) if tenant else []

    def __iter__(self) -> Iterator[RoomMember]:
        for tenant in tuple(self._tenants.values()):
            yield from tuple(tenant.live | tenant.joining)
