"""Who is there, in which state, and who types. All of it expires by itself: a killed instance leaves no ghosts.

A user is there while some instance says so every few seconds; several sockets of one user, wherever they are, are one
presence, and a reload of a page isn't seen as leaving. Changes are told together a few times a second: a thousand users
who come at once are not a million messages.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, Literal
from uuid import UUID

import orjson
import structlog
from pydantic import BaseModel, ConfigDict, Field
from redis.asyncio import Redis
from uuid_utils.compat import uuid7

from realtime.fanout.rooms import TENANT_ROOM, Member, Rooms
from realtime.log.entries import Event
from realtime.log.event_log import EventLog, away
from switchboard.runtime.background import Stop
from switchboard.runtime.unavailable import Unavailable

TICK_SECONDS = 0.2
BEAT_SECONDS = 5.0
LASTS = timedelta(seconds=12)  # after the last beat
TYPING_LASTS = timedelta(seconds=6)

# Time is Redis' own: the instances' clocks may differ.
NOW = """
local at = redis.call('TIME')
local now = at[1] * 1000 + math.floor(at[2] / 1000)
"""

# KEYS: presences. ARGV: how long it lasts in ms, then users. Answers those who weren't there before.
BEAT = (
    NOW
    + """
local came = {}
for i = 2, #ARGV do
  local known = redis.call('ZSCORE', KEYS[1], ARGV[i])
  if not known or tonumber(known) < now then table.insert(came, ARGV[i]) end
  redis.call('ZADD', KEYS[1], 'GT', now + ARGV[1], ARGV[i])
end
redis.call('EXPIRE', KEYS[1], 3600)
return came
"""
)

# KEYS: presences, states. Forgets who hasn't been heard of, and answers with them.
SWEEP = (
    NOW
    + """
local gone = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. now, 'LIMIT', 0, 1000)
for _, user in ipairs(gone) do
  redis.call('ZREM', KEYS[1], user)
  redis.call('HDEL', KEYS[2], user)
end
return gone
"""
)

# KEYS: presences, states. Who is there, and all states.
LIST = NOW + "return {redis.call('ZRANGEBYSCORE', KEYS[1], now, '+inf'), redis.call('HGETALL', KEYS[2])}"

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
    """The tenants' users, as all instances together see them. What waits raises `RedisUnavailable`."""

    def __init__(self, redis: Redis, log: EventLog, rooms: Rooms) -> None:
        self._redis = redis
        self._log = log
        self._rooms = rooms
        self._beat = redis.register_script(BEAT)
        self._sweep = redis.register_script(SWEEP)
        self._list = redis.register_script(LIST)
        self._arrived: dict[UUID, set[UUID]] = defaultdict(set)
        self._changed: dict[UUID, dict[str, str]] = defaultdict(dict)

    def enter(self, member: Member) -> None:
        """Somebody has come."""
        self._arrived[member.tenant_id].add(member.user_id)

    async def set_state(self, member: Member, wanted: PresenceSet) -> None:
        """Show oneself as away or busy, or as plainly there."""
        with away():
            await self._redis.hset(_states(member.tenant_id), str(member.user_id), wanted.status)
            await self._redis.expire(_states(member.tenant_id), 86400)
        self._changed[member.tenant_id][str(member.user_id)] = wanted.status

    async def list_users(self, tenant: UUID) -> list[dict[str, str]]:
        """Who is there, with their states."""
        with away():
            there, pairs = await self._list([_presences(tenant), _states(tenant)])
        states = dict(zip(pairs[::2], pairs[1::2], strict=True))
        return [{"user_id": u.decode(), "status": states.get(u, b"online").decode()} for u in sorted(there)]

    async def type(self, member: Member, typing: Typing) -> None:
        """Mention that somebody types, or doesn't any more. True is only good until `expires_at`, unless repeated."""
        expires = datetime.now(UTC) + TYPING_LASTS
        told = {"user_id": str(member.user_id), **typing.model_dump(), "expires_at": expires if typing.typing else None}
        await self._mention(member.tenant_id, "typing", told)

    async def run(self, stop: Stop) -> None:
        """Say who came and, again and again, who is here; notice who is heard of no more; tell of it."""
        next_beat = monotonic()
        while not await stop.sleep(TICK_SECONDS):
            try:
                if monotonic() >= next_beat:
                    next_beat = monotonic() + BEAT_SECONDS
                    for tenant in self._rooms.tenants():
                        self._arrived[tenant] |= self._rooms.users_of(tenant)
                        await self._notice_gone(tenant)
                await self._say()
                await self._tell()
            except Unavailable as outage:
                log.info("presence_waits", reason=str(outage))
                await stop.sleep(BEAT_SECONDS)

    async def _say(self) -> None:
        lasts = int(LASTS.total_seconds() * 1000)
        while self._arrived:
            tenant, users = self._arrived.popitem()
            with away():
                came = await self._beat([_presences(tenant)], [lasts, *map(str, users)])
            for user in came:
                self._changed[tenant].setdefault(user.decode(), "online")

    async def _notice_gone(self, tenant: UUID) -> None:
        with away():
            gone = await self._sweep([_presences(tenant), _states(tenant)])
        here = self._rooms.users_of(tenant)
        for user in gone:
            if UUID(user.decode()) not in here:
                self._changed[tenant][user.decode()] = "offline"

    async def _tell(self) -> None:
        for tenant, users in list(self._changed.items()):
            changes = [{"user_id": user, "status": status} for user, status in users.items()]
            del self._changed[tenant]
            try:
                await self._mention(tenant, "presence.changed", {"users": changes})
            except Unavailable:
                self._changed[tenant] = users | self._changed[tenant]  # what came meanwhile is newer
                raise

    async def _mention(self, tenant: UUID, name: str, told: dict[str, Any]) -> None:
        now = datetime.now(UTC).isoformat()
        data = orjson.dumps(told, option=orjson.OPT_UTC_Z)
        await self._log.mention(tenant, Event(str(uuid7()), name, now, TENANT_ROOM, data))


def _presences(tenant: UUID) -> str:
    return f"presence:{tenant}"


def _states(tenant: UUID) -> str:
    return f"presence:{tenant}:states"
