"""Resolves session tokens through the session cache in Redis, else through auth. Every request reads the cache.

Redis holds `session:{sha256 of the token}` and `tenant:{id}`. Cache invalidation: before auth answers the request that
ends a session it writes the mark `dead`, before it answers one that changes a user or tenant the mark `stale`. The
gateway only fills keys that are absent (`SET NX`), for a minute, and so never overwrites a mark.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import monotonic, time
from typing import Any, cast
from uuid import UUID

import orjson
import structlog
from redis.asyncio import Redis

from switchboard.http.identity import Identity, Role
from switchboard.runtime.batching import Batcher
from switchboard.runtime.redis import REDIS_ERRORS, RedisUnavailable

RETRY_SECONDS = 0.5  # after a failure Redis is not asked for so long
FILL_SECONDS = 60
FILL_WITHIN = 5.0  # seconds; an older answer of auth may precede a mark that has expired
MAX_PARSED = 20_000

ResolveByAuth = Callable[[str], Awaitable[dict[str, Any] | None]]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CachedSession:
    """A live session as parsed from the cache."""

    identity: Identity
    version: int
    expires_at: float
    user_id: str
    tenant_id: str
    signed: dict[str, tuple[bytes, float]]
    """Header lines with the signed identity, by audience, and until when (monotonic) they may be used."""


@dataclass(frozen=True, slots=True)
class ResolvedSession:
    """A live session, and whether its tenant's trial has expired, or the operator has suspended it."""

    session: CachedSession
    trial_expired: bool
    suspended: bool


class CoalescedReads:
    """Reads the keys of concurrent requests by one MGET: a GET for each would double the cost of a request."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._unavailable_until = 0.0

    async def flush(self, reads: Sequence[Sequence[str]]) -> list[list[bytes | None]]:
        """The values of each read, in the order of its keys. Raises `RedisUnavailable`."""
        if monotonic() < self._unavailable_until:
            raise RedisUnavailable("Redis was unavailable a moment ago")
        keys = list(dict.fromkeys(key for read in reads for key in read))
        try:
            found = dict(zip(keys, cast("list[bytes | None]", await self._redis.mget(keys)), strict=True))
        except REDIS_ERRORS as error:
            self._unavailable_until = monotonic() + RETRY_SECONDS
            raise RedisUnavailable(f"Redis is unavailable: {str(error) or type(error).__name__}") from error
        return [[found[key] for key in read] for read in reads]


class SessionResolver:
    """Resolves tokens. Parsed sessions are kept in memory, by their bytes in Redis."""

    def __init__(self, redis: Redis, resolve_by_auth: ResolveByAuth) -> None:
        self._redis = redis
        self._reads = Batcher(CoalescedReads(redis).flush)
        self._resolve_by_auth = resolve_by_auth
        self._resolving: dict[str, asyncio.Task[ResolvedSession | None]] = {}
        self._keys: dict[str, tuple[str, ...]] = {}  # by token: the session's key, and the tenant's once it is known
        self._parsed: dict[bytes, CachedSession] = {}

    async def find(self, token: str) -> ResolvedSession | None:
        """The session with this token, None if there is none. Raises `AuthUnavailable`."""
        try:
            found = await self._find_cached(token)
        except RedisUnavailable:
            return await self._resolve_and_fill(token)
        if found is _MISS:
            return await self._resolve_shared(token)
        if found is _STALE:
            return await self._resolve_and_fill(token)
        return cast("ResolvedSession | None", found)

    async def _find_cached(self, token: str) -> Any:
        """The session, None, or the reason to ask auth: `_MISS` or `_STALE`."""
        keys = self._keys.get(token) or (_key(token),)
        values = await self._reads.do(keys)
        raw = values[0]
        if raw is None:
            return _MISS
        session = self._parsed.get(raw) or self._parse(raw)
        if session is None:
            return None if orjson.loads(raw)["state"] == "dead" else _STALE
        if session.expires_at <= time():
            return None
        if len(keys) == 1:
            keys = self._keys[token] = (keys[0], f"tenant:{session.tenant_id}")
            values = [raw, *(await self._reads.do(keys[1:]))]
        if values[1] is None:
            return _MISS
        tenant = orjson.loads(values[1])
        if "status" not in tenant:
            return _STALE
        return _resolved(session, tenant)

    def _parse(self, raw: bytes) -> CachedSession | None:
        fields = orjson.loads(raw)
        if fields["state"] != "live":
            return None
        for kept in (self._parsed, self._keys):
            while len(kept) >= MAX_PARSED:
                kept.pop(next(iter(kept)))  # type: ignore[call-overload]
        session = self._parsed[raw] = _session(fields)
        return session

    async def _resolve_shared(self, token: str) -> ResolvedSession | None:
        """Ask auth once for all requests that miss the same key at the same time.

        Only safe after a miss: an earlier change would have left a mark. After a stale mark, or without Redis, an
        answer that is under way may be older than the change.
        """
        resolving = self._resolving.get(token)
        if resolving is None:
            resolving = self._resolving[token] = asyncio.create_task(self._resolve_and_fill(token))
            resolving.add_done_callback(lambda _: self._resolving.pop(token, None))
        return await asyncio.shield(resolving)

    async def _resolve_and_fill(self, token: str) -> ResolvedSession | None:
        began = monotonic()
        fields = await self._resolve_by_auth(token)
        if fields is None:
            return None
        session = _session(fields)
        if monotonic() - began < FILL_WITHIN:
            await self._fill(token, fields)
        return _resolved(session, fields["tenant"])

    async def _fill(self, token: str, fields: dict[str, Any]) -> None:
        tenant = fields["tenant"]
        session = {"state": "live", **{name: value for name, value in fields.items() if name != "tenant"}}
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.set(_key(token), orjson.dumps(session), ex=FILL_SECONDS, nx=True)
                pipe.set(f"tenant:{fields['tenant_id']}", orjson.dumps(tenant), ex=FILL_SECONDS, nx=True)
                await pipe.execute()
        except REDIS_ERRORS as error:
            log.info("session_not_cached", reason=str(error))


_MISS = object()
_STALE = object()


def _session(fields: dict[str, Any]) -> CachedSession:
    expires_at = datetime.fromisoformat(fields["expires_at"]).timestamp()
    identity = Identity(
        user_id=UUID(fields["user_id"]),
        tenant_id=UUID(fields["tenant_id"]),
        role=Role(fields["role"]),
        session_id=UUID(fields["session_id"]),
        session_ends=expires_at,
    )
    return CachedSession(identity, fields["version"], expires_at, fields["user_id"], fields["tenant_id"], {})


def _key(token: str) -> str:
    return f"session:{hashlib.sha256(token.encode()).hexdigest()}"


def _resolved(session: CachedSession, tenant: dict[str, Any]) -> ResolvedSession:
    suspended = tenant.get("suspended", False)  # an instance of auth or a cache of an earlier release has none
    return ResolvedSession(session, _trial_expired(tenant), suspended)


def _trial_expired(tenant: dict[str, Any]) -> bool:
    if tenant["status"] == "trial" and tenant["trial_ends_at"] is not None:
        return datetime.fromisoformat(tenant["trial_ends_at"]).timestamp() <= time()
    return bool(tenant["status"] == "expired")
