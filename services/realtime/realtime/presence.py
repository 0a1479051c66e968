"""Who is there, in which state, and who types. All of it expires by itself: a killed instance leaves no ghosts.

A user is there while an instance says so every few seconds. Several sockets of one user, wherever they are, are one
presence. A user whose last socket closed stays for a moment, so that a reload of a page isn't seen as leaving.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import orjson
import structlog
from pydantic import BaseModel, ConfigDict, Field
from redis.asyncio import Redis
from uuid_utils.compat import uuid7

from realtime.entries import Event
from realtime.log import EventLog, away
from realtime.rooms import TENANT_ROOM, Member, Rooms
from switchboard.runtime.loops import Stop
from switchboard.runtime.outage import Outage

BEAT_SECONDS = 5.0
LASTS = timedelta(seconds=18)  # after the last beat; with a beat's length, under 30 s
LINGERS = timedelta(seconds=5)  # after the last socket
TYPING_LASTS = timedelta(seconds=6)

# KEYS: presences. ARGV: now, until, then `user@instance`s. Answers those users who weren't there before.
BEAT = """
local came = {}
local there = {}
local present = redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[1], '+inf')
for _, one in ipairs(present) do there[string.match(one, '^[^@]+')] = 1 end
for i = 3, #ARGV do
  local user = string.match(ARGV[i], '^[^@]+')
  if not there[user] then table.insert(came, user); there[user] = 1 end
  redis.call('ZADD', KEYS[1], ARGV[2], ARGV[i])
end
redis.call('EXPIRE', KEYS[1], 3600)
return came
"""

# KEYS: presences, states. ARGV: now. Forgets who hasn't been heard of; answers the users who are gone by that.
SWEEP = """
local gone = {}
local expired = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[1])
if #expired == 0 then return gone end
redis.call('ZREM', KEYS[1], unpack(expired))
local there = {}
for _, one in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do there[string.match(one, '^[^@]+')] = 1 end
for _, one in ipairs(expired) do
  local user = string.match(one, '^[^@]+')
  if not there[user] then table.insert(gone, user); there[user] = 1; redis.call('HDEL', KEYS[2], user) end
end
return gone
"""

State = Literal["online", "away", "busy"]

log = structlog.get_logger(__name__)


class PresenceSet(BaseModel):
    """What a client sends as `presence.set`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    status: State


class Typing(BaseModel):
    """What a client sends as `typing`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    contact_phone: str = Field(min_length=1, max_length=40)
    typing: bool


class Presence:
    """The tenants' users, as all instances together see them. Methods raise `RedisAway`."""

    def __init__(self, redis: Redis, log: EventLog, rooms: Rooms, instance: str) -> None:
        self._redis = redis
        self._log = log
        self._rooms = rooms
        self._instance = instance
        self._beat = redis.register_script(BEAT)
        self._sweep = redis.register_script(SWEEP)

    async def enter(self, member: Member) -> None:
        """Somebody has come."""
        await self._say(member.tenant_id, [member.user_id], LASTS)

    async def leave(self, member: Member) -> None:
        """A socket is gone; if it was its user's last one here, the user will be, too."""
        if member.user_id not in self._rooms.users_of(member.tenant_id):
            await self._say(member.tenant_id, [member.user_id], LINGERS)

    async def set_state(self, member: Member, wanted: PresenceSet) -> None:
        """Show oneself as away or busy, or as plainly there."""
        with away():
            await self._redis.hset(_states(member.tenant_id), str(member.user_id), wanted.status)
            await self._redis.expire(_states(member.tenant_id), 86400)
        await self._tell(member.tenant_id, str(member.user_id), wanted.status)

    async def list_users(self, tenant: UUID) -> list[dict[str, str]]:
        """Who is there, with their states."""
        with away():
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.zrangebyscore(_presences(tenant), _now_ms(), "+inf")
                pipe.hgetall(_states(tenant))
                there, states = await pipe.execute()
        users = sorted({one.partition(b"@")[0] for one in there})
        return [{"user_id": user.decode(), "status": states.get(user, b"online").decode()} for user in users]

    async def type(self, member: Member, typing: Typing) -> None:
        """Mention that somebody types, or doesn't any more. True is only good until `expires_at`, unless repeated."""
        expires = datetime.now(UTC) + TYPING_LASTS
        told = {"user_id": str(member.user_id), **typing.model_dump(), "expires_at": expires if typing.typing else None}
        await self._mention(member.tenant_id, "typing", told)

    async def beat(self, stop: Stop) -> None:
        """Say again and again who is here, and notice who is heard of no more."""
        while not await stop.sleep(BEAT_SECONDS):
            for tenant, _ in self._rooms.live_by_tenant():
                try:
                    await self._say(tenant, self._rooms.users_of(tenant), LASTS)
                    await self._notice_gone(tenant)
                except Outage as outage:
                    log.info("presence_waits", reason=str(outage))
                    break

    async def _say(self, tenant: UUID, users: Iterable[UUID], lasts: timedelta) -> None:
        until = _now_ms() + int(lasts.total_seconds() * 1000)
        names = [f"{user}@{self._instance}" for user in users]
        with away():
            came = await self._beat([_presences(tenant)], [_now_ms(), until, *names])
        for user in came:
            await self._tell(tenant, user.decode(), "online")

    async def _notice_gone(self, tenant: UUID) -> None:
        with away():
            gone = await self._sweep([_presences(tenant), _states(tenant)], [_now_ms()])
        for user in gone:
            await self._tell(tenant, user.decode(), "offline")

    async def _tell(self, tenant: UUID, user: str, status: str) -> None:
        await self._mention(tenant, "presence.changed", {"user_id": user, "status": status})

    async def _mention(self, tenant: UUID, name: str, told: dict[str, Any]) -> None:
        now = datetime.now(UTC).isoformat()
        data = orjson.dumps(told, option=orjson.OPT_UTC_Z)
        await self._log.mention(tenant, Event(str(uuid7()), name, now, TENANT_ROOM, data))


def _now_ms() -> int:
    return int(datetime.now(UTC).timestamp() * 1000)


def _presences(tenant: UUID) -> str:
    return f"presence:{tenant}"


def _states(tenant: UUID) -> str:
    return f"presence:{tenant}:states"
