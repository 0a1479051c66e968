"""Who is here: members by tenant and user. Rooms follow from the identity; nothing that a client sends chooses one."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from realtime.fanout.frames import Frame, entry_frame, mention_frame
from realtime.log.entries import Entry
from realtime.log.stream_ids import Place

TENANT_ROOM = "tenant"
REVOCATIONS = "revocations"


def user_room(user_id: UUID | str) -> str:
    return f"user:{user_id}"


class Socket(Protocol):
    """What members need of a socket."""

    @property
    def crowded(self) -> bool:
        """Whether so much waits to go out that what isn't urgent should wait too."""

    def push(self, frame: Frame) -> None:
        """Send a frame, in order, without waiting."""

    async def drained(self) -> None:
        """Wait until there is room for more."""


@dataclass(eq=False, slots=True)
class Member:
    """A socket that has told us who it is. Until it is live, what the log adds is not pushed to it.

    `caught_up`: it has got everything up to this place, and becomes live as soon as the tail has come there.
    """

    socket: Socket
    tenant_id: UUID
    user_id: UUID
    session_id: UUID
    expires_at: datetime | None = None
    caught_up: Place | None = None
    leaving: bool = False  # nothing further is for it
    doubted_from: float = 0.0  # monotonic; from then on its session has to be looked at again, unless zero
    tokens: float = 0.0  # how much it may say at once; see `talking`
    talked_at: float = 0.0

    @property
    def rooms(self) -> tuple[bytes, bytes]:
        return TENANT_ROOM.encode(), user_room(self.user_id).encode()


@dataclass(slots=True)
class _Tenant:
    live: set[Member] = field(default_factory=set)
    users: dict[bytes, set[Member]] = field(default_factory=dict)  # the live ones, by the name of their room
    joining: set[Member] = field(default_factory=set)

    def make_live(self, member: Member) -> None:
        self.joining.discard(member)
        self.live.add(member)
        self.users.setdefault(member.rooms[1], set()).add(member)

    def remove(self, member: Member) -> None:
        self.joining.discard(member)
        self.live.discard(member)
        room = self.users.get(member.rooms[1], set())
        room.discard(member)
        if not room:
            self.users.pop(member.rooms[1], None)

    def room(self, name: bytes) -> Collection[Member]:
        return self.live if name == TENANT_ROOM.encode() else self.users.get(name, ())


class Rooms:
    """The members on this instance. All of it is plain memory: nothing here waits."""

    def __init__(self) -> None:
        self._tenants: dict[UUID, _Tenant] = {}

    def add(self, member: Member) -> None:
        """From now on the tenant has somebody here; the member gets nothing yet."""
        self._tenants.setdefault(member.tenant_id, _Tenant()).joining.add(member)

    def remove(self, member: Member) -> None:
        tenant = self._tenants.get(member.tenant_id)
        if tenant is not None:
            tenant.remove(member)
            if not tenant.live and not tenant.joining:
                del self._tenants[member.tenant_id]

    def go_live(self, member: Member, after: Place, tailed: Place) -> bool:
        """Everything up to `after` was given to it. False: the tail is further already, there is more to catch up."""
        tenant = self._tenants.get(member.tenant_id)
        if tenant is None or member not in tenant.joining:
            return True  # gone meanwhile
        if tailed > after:
            return False
        if tailed == after:
            tenant.make_live(member)
        else:
            member.caught_up = after
        return True

    def deliver(self, tenant_id: UUID, entry: Entry, epoch: str) -> int:
        """Push an entry to all who may see it; how many that were. Costs nothing when nobody is there."""
        tenant = self._tenants.get(tenant_id)
        if tenant is None:
            return 0
        place = Place.read(entry.place) if tenant.joining else None
        if place is not None:
            self._admit(tenant, before=place)
        members = tenant.room(entry.room)
        if members:
            frame = entry_frame(entry, epoch)
            for member in members:
                member.socket.push(frame)
        pushed = len(members)
        if place is not None:
            self._admit(tenant, before=Place(place.ms, place.seq + 1))  # and whoever has got this one by reading
        return pushed

    def _admit(self, tenant: _Tenant, *, before: Place) -> None:
        for member in [m for m in tenant.joining if m.caught_up is not None and m.caught_up < before]:
            tenant.make_live(member)

    def mention(self, tenant_id: UUID, entry: Entry) -> None:
        """Push what is only mentioned to those who are live: no place in the log, no catching up."""
        tenant = self._tenants.get(tenant_id)
        if tenant is not None and (members := tenant.room(entry.room)):
            frame = mention_frame(entry)
            for member in members:
                member.socket.push(frame)

    def live_by_tenant(self) -> Iterator[tuple[UUID, list[Member]]]:
        """Those who get all that comes."""
        for tenant_id, tenant in list(self._tenants.items()):
            yield tenant_id, list(tenant.live)

    def tenants(self) -> list[UUID]:
        """Those that have somebody here."""
        return list(self._tenants)

    def users_of(self, tenant_id: UUID) -> set[UUID]:
        """Who has at least one socket here."""
        return {member.user_id for member in self.of_tenant(tenant_id)}

    def start_over(self, tenant_id: UUID) -> list[Member]:
        """The members who have to be told that something is missing: all but those who are still catching up."""
        tenant = self._tenants.get(tenant_id, _Tenant())
        for member in [m for m in tenant.joining if m.caught_up is not None]:
            tenant.make_live(member)
        return list(tenant.live)

    def has(self, tenant_id: UUID) -> bool:
        return tenant_id in self._tenants

    def __iter__(self) -> Iterator[Member]:
        for tenant in tuple(self._tenants.values()):
            yield from tuple(tenant.live | tenant.joining)

    def of_tenant(self, tenant_id: UUID) -> list[Member]:
        tenant = self._tenants.get(tenant_id)
        return list(tenant.live | tenant.joining) if tenant else []
