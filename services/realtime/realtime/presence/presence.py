"""Presence of a tenant's users across all instances. It expires by itself: a killed instance leaves no stale users.

A user is online while some instance sends a heartbeat for it every few seconds. Several sockets of one user, on
whichever instances, are one presence, and reloading a page doesn't look like going offline. Changes are broadcast
together a few times a second: a thousand users who come online at once are not a million messages.
"""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, Literal
from uuid import UUID

import orjson
import structlog
from pydantic import BaseModel, ConfigDict, Field
from redis.asyncio import Redis

from realtime.fanout.rooms import RoomMember, Rooms
from realtime.log.event_log import EventLog
from realtime.presence.lua_scripts import HEARTBEAT, LIST
from switchboard.event_log import TENANT_ROOM
from switchboard.event_log.writer import redis_errors_as_unavailable
from switchboard.runtime.background import Stop, Wakeup
from switchboard.runtime.unavailable import Unavailable

BROADCAST_SECONDS = 0.2  # changes are gathered for so long
HEARTBEAT_SECONDS = 5.0
ONLINE_TTL = timedelta(seconds=12)  # after the last heartbeat
TENANTS_PER_HEARTBEAT = 100  # in one script
STATUS_TTL_SECONDS = 86400
TYPING_TTL = timedelta(seconds=6)
VIEWING_TTL = timedelta(seconds=45)

log = structlog.get_logger(__name__)


class PresenceSet(BaseModel):
    """The payload of a client's `presence.set`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    status: Literal["online", "away", "busy"]


class Typing(BaseModel):
    """The payload of a client's `typing`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    contact_phone: str = Field(min_length=1, max_length=40)
    typing: bool


class Viewing(BaseModel):
    """The payload of a client's `viewing`: the conversation that its user looks at."""

    model_config = ConfigDict(extra="forbid", strict=True)

    contact_phone: str = Field(min_length=1, max_length=40)


class Presence:
    """Shows which users are online. Methods that wait raise `RedisUnavailable`."""

    def __init__(self, redis: Redis, log: EventLog, rooms: Rooms) -> None:
        self._redis = redis
        self._log = log
        self._rooms = rooms
        self._heartbeat = redis.register_script(HEARTBEAT)
        self._list = redis.register_script(LIST)
        self._wakeup = Wakeup()
        self._alive: dict[UUID, set[UUID]] = defaultdict(set)
        """The users that the next heartbeat is for, by tenant."""
        self._changed: dict[UUID, dict[str, str]] = defaultdict(dict)
        """The statuses to broadcast, by tenant and user."""

    def mark_online(self, member: RoomMember) -> None:
        """Show a user as online after its connection was made."""
        self._alive[member.tenant_id].add(member.user_id)
        self._wakeup.set()

    async def set_status(self, member: RoomMember, wanted: PresenceSet) -> None:
        """Show a user as online, away or busy."""
        with redis_errors_as_unavailable():
            await self._redis.hset(_states_key(member.tenant_id), str(member.user_id), wanted.status)
            await self._redis.expire(_states_key(member.tenant_id), STATUS_TTL_SECONDS)
        self._changed[member.tenant_id][str(member.user_id)] = wanted.status
        self._wakeup.set()

    async def list_users(self, tenant: UUID) -> list[dict[str, str]]:
        """The users that are online, with their status."""
        with redis_errors_as_unavailable():
            users, pairs = await self._list([_presences_key(tenant), _states_key(tenant)])
        statuses = dict(zip(pairs[::2], pairs[1::2], strict=True))
        return [{"user_id": u.decode(), "status": statuses.get(u, b"online").decode()} for u in sorted(users)]

    async def broadcast_typing(self, member: RoomMember, typing: Typing) -> None:
        """Show that a user is typing, or stopped. It holds until `expires_at`, unless repeated."""
        expires_at = datetime.now(UTC) + TYPING_TTL if typing.typing else None
        payload = {"user_id": str(member.user_id), **typing.model_dump(), "expires_at": expires_at}
        await self._broadcast(member.tenant_id, "typing", payload)

    async def broadcast_viewing(self, member: RoomMember, viewing: Viewing) -> None:
        """Show which conversation a user looks at, in place of the one before. It holds until `expires_at`."""
        expires_at = datetime.now(UTC) + VIEWING_TTL
        payload = {"user_id": str(member.user_id), **viewing.model_dump(), "expires_at": expires_at}
        await self._broadcast(member.tenant_id, "viewing", payload)

    async def run(self, stop: Stop) -> None:
        """Send heartbeats for the users on this instance, find the users that went offline, broadcast the changes."""
        next_beat = monotonic()
        while not stop.is_set():
            if await self._wakeup.wait(stop, within=max(0.0, next_beat - monotonic())):
                await stop.sleep(BROADCAST_SECONDS)
            try:
                if monotonic() >= next_beat:
                    next_beat = monotonic() + HEARTBEAT_SECONDS
                    for tenant, users in self._rooms.users_by_tenant().items():
                        self._alive[tenant] |= users
                await self._send_heartbeats()
                await self._broadcast_changes()
            except Unavailable as unavailable:
                log.info("presence_waits", reason=str(unavailable))
                await stop.sleep(HEARTBEAT_SECONDS)

    async def _send_heartbeats(self) -> None:
        connected = self._rooms.users_by_tenant()
        while self._alive:
            beating = [self._alive.popitem() for _ in range(min(len(self._alive), TENANTS_PER_HEARTBEAT))]
            keys = [key for tenant, _ in beating for key in (_presences_key(tenant), _states_key(tenant))]
            users: list[Any] = [part for _, users in beating for part in (len(users), *map(str, users))]
            with redis_errors_as_unavailable():
                answers = await self._heartbeat(keys, [int(ONLINE_TTL.total_seconds() * 1000), *users])
            for (tenant, _), (online, offline) in zip(beating, answers, strict=True):
                for user in online:
                    self._changed[tenant].setdefault(user.decode(), "online")
                for user in offline:
                    if UUID(user.decode()) not in connected.get(tenant, ()):
                        self._changed[tenant][user.decode()] = "offline"

    async def _broadcast_changes(self) -> None:
        for tenant, users in list(self._changed.items()):
            changes = [{"user_id": user, "status": status} for user, status in users.items()]
            del self._changed[tenant]
            try:
                await self._broadcast(tenant, "presence.changed", {"users": changes})
            except Unavailable:
                self._changed[tenant] = users | self._changed[tenant]  # changes made meanwhile are newer
                raise

    async def _broadcast(self, tenant: UUID, name: str, payload: dict[str, Any]) -> None:
        data = orjson.dumps(payload, option=orjson.OPT_UTC_Z)
        await self._log.broadcast_ephemeral(tenant, TENANT_ROOM, name, data)


def _presences_key(tenant: UUID) -> str:
    return f"presence:{tenant}"


def _states_key(tenant: UUID) -> str:
    return f"presence:{tenant}:states"
