"""Who a token belongs to, by Redis or else by auth, as of this very request: nothing is remembered here but parses.

Redis holds `session:{sha256 of the token}` and `tenant:{id}`. Auth marks a session that is over `dead` and what has
changed `stale` before it answers the request that did it; we only ever fill what is absent, for a minute.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from time import monotonic, time
from typing import Any, cast
from uuid import UUID

import orjson
import structlog
from redis.asyncio import Redis

from api_gateway.identity.coalesced_reads import CoalescedReads
from switchboard.http.identity import Identity, Role
from switchboard.runtime.redis import REDIS_ERRORS, RedisUnavailable

FILLED_SECONDS = 60
FILL_WITHIN = 5.0  # seconds; what auth said longer ago may have been marked, and the mark be gone
REMEMBERED = 20_000

AskAuth = Callable[[str], Awaitable[dict[str, Any] | None]]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Cached:
    """A live session as the cache holds it."""

    identity: Identity
    version: int
    expires_at: float
    user_id: str
    tenant_id: str
    signed: dict[str, tuple[bytes, float]]
    """Header lines with its signed identity, by audience, and until when (monotonic) they may be used."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks, and whether their tenant may still write."""

    session: Cached
    trial_over: bool


class Sessions:
    """Resolves tokens."""

    def __init__(self, redis: Redis, ask_auth: AskAuth) -> None:
        self._redis = redis
        self._reads = CoalescedReads(redis)
        self._ask_auth = ask_auth
        self._asking: dict[str, asyncio.Task[Visitor | None]] = {}
        self._keys: dict[str, tuple[str, ...]] = {}  # of a token, in Redis: its session's, and its tenant's once known
        self._parsed: dict[bytes, Cached] = {}

    async def find(self, token: str) -> Visitor | None:
        """The visitor with this token, None for one that nobody has. Raises an `Unavailable` when nobody can say."""
        try:
            found = await self._find_cached(token)
        except RedisUnavailable:
            return await self._ask_and_fill(token)
        if found is _MISSED:
            return await self._ask_together(token)
        if found is _STALE:
            return await self._ask_and_fill(token)
        return cast("Visitor | None", found)

    async def _find_cached(self, token: str) -> Any:
        """The visitor, None, or why auth must be asked: `_MISSED` or `_STALE`."""
        keys = self._keys.get(token) or (_key(token),)
        values = await self._reads.get(keys)
        raw = values[0]
        if raw is None:
            return _MISSED
        session = self._parsed.get(raw) or self._parse(raw)
        if session is None:
            return None if orjson.loads(raw)["state"] == "dead" else _STALE
        if session.expires_at <= time():
            return None
        if len(keys) == 1:
            keys = self._keys[token] = (keys[0], f"tenant:{session.tenant_id}")
            values = [raw, *(await self._reads.get(keys[1:]))]
        if values[1] is None:
            return _MISSED
        state = orjson.loads(values[1])
        if "status" not in state:
            return _STALE
        return Visitor(session, _is_over(state))

    def _parse(self, raw: bytes) -> Cached | None:
        fields = orjson.loads(raw)
        if fields["state"] != "live":
            return None
        for remembered in (self._parsed, self._keys):
            while len(remembered) >= REMEMBERED:
                remembered.pop(next(iter(remembered)))  # type: ignore[call-overload]
        session = self._parsed[raw] = _cached(fields)
        return session

    async def _ask_together(self, token: str) -> Visitor | None:
        """Auth's word, shared by all who miss the same entry at the same time.

        Safe for a miss only: a change made before we looked would have left a mark. Where there is a mark, or Redis
        can't say, an answer under way may be older than the change.
        """
        asking = self._asking.get(token)
        if asking is None:
            asking = self._asking[token] = asyncio.create_task(self._ask_and_fill(token))
            asking.add_done_callback(lambda _: self._asking.pop(token, None))
        return await asyncio.shield(asking)

    async def _ask_and_fill(self, token: str) -> Visitor | None:
        began = monotonic()
        fields = await self._ask_auth(token)
        if fields is None:
            return None
        session = _cached(fields)
        if monotonic() - began < FILL_WITHIN:
            await self._fill(token, fields)
        return Visitor(session, _is_over(fields["tenant"]))

    async def _fill(self, token: str, fields: dict[str, Any]) -> None:
        tenant = fields["tenant"]
        session = {"state": "live", **{name: value for name, value in fields.items() if name != "tenant"}}
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.set(_key(token), orjson.dumps(session), ex=FILLED_SECONDS, nx=True)
                pipe.set(f"tenant:{fields['tenant_id']}", orjson.dumps(tenant), ex=FILLED_SECONDS, nx=True)
                await pipe.execute()
        except REDIS_ERRORS as trouble:
            log.info("session_not_cached", reason=str(trouble))


_MISSED = object()
_STALE = object()


def _cached(fields: dict[str, Any]) -> Cached:
    expires_at = datetime.fromisoformat(fields["expires_at"]).timestamp()
    identity = Identity(
        user_id=UUID(fields["user_id"]),
        tenant_id=UUID(fields["tenant_id"]),
        role=Role(fields["role"]),
        session_id=UUID(fields["session_id"]),
        session_ends=expires_at,
    )
    return Cached(identity, fields["version"], expires_at, fields["user_id"], fields["tenant_id"], {})


def _key(token: str) -> str:
    return f"session:{hashlib.sha256(token.encode()).hexdigest()}"


def _is_over(tenant: dict[str, Any]) -> bool:
    if tenant["status"] == "trial" and tenant["trial_ends_at"] is not None:
        return datetime.fromisoformat(tenant["trial_ends_at"]).timestamp() <= time()
    return bool(tenant["status"] == "expired")
