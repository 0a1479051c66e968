"""What a begun OAuth log-in remembers: in Redis, taken once, by the browser that began it alone."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

import orjson
from aiohttp import web
from redis.asyncio import Redis

from auth.domain.users import OAuthStateInvalid
from switchboard.runtime.redis import REDIS_ERRORS, RedisUnavailable

LASTS_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Begun:
    """A log-in on its way. `user_id`, `tenant_id` and `session_id`: whose account the provider's is to be linked to."""

    provider: str
    nonce: str
    verifier: str
    redirect_to: str
    user_id: UUID | None = None
    tenant_id: UUID | None = None
    session_id: UUID | None = None

    @classmethod
    def read(cls, text: bytes | str) -> Begun:
        fields: dict[str, Any] = orjson.loads(text)
        for name in ("user_id", "tenant_id", "session_id"):
            fields[name] = UUID(fields[name]) if fields[name] else None
        return cls(**fields)


class OAuthStates:
    """Keeps begun log-ins. The cookie holds a hash of the state: knowing the state alone is worth nothing."""

    def __init__(self, redis: Redis, *, secure: bool) -> None:
        self._redis = redis
        self._secure = secure

    async def keep(self, begun: Begun) -> str:
        """The state to send along. Raises `RedisUnavailable`."""
        state = secrets.token_urlsafe(32)
        try:
            await self._redis.set(f"oauth:state:{state}", orjson.dumps(asdict(begun)), ex=LASTS_SECONDS)
        except REDIS_ERRORS as trouble:
            raise RedisUnavailable(f"redis is away: {trouble}") from trouble
        return state

    async def take(self, request: web.Request, state: str, provider: str) -> Begun:
        """The log-in, once. Raises `OAuthStateInvalid` for an unknown or used state, and another browser's."""
        if not state or not _is_same(request.cookies.get(self.cookie(state), ""), _hash(state)):
            raise OAuthStateInvalid()
        try:
            text = await self._redis.getdel(f"oauth:state:{state}")
        except REDIS_ERRORS as trouble:
            raise RedisUnavailable(f"redis is away: {trouble}") from trouble
        if text is None:
            raise OAuthStateInvalid()
        begun = Begun.read(text)
        if begun.provider != provider:
            raise OAuthStateInvalid()
        return begun

    def bind(self, answer: web.StreamResponse, state: str) -> None:
        """Give the browser that begins its mark."""
        answer.set_cookie(
            self.cookie(state),
            _hash(state),
            max_age=LASTS_SECONDS,
            path="/",
            httponly=True,
            samesite="Lax",
            secure=self._secure,
        )

    def unbind(self, answer: web.StreamResponse, state: str) -> None:
        answer.del_cookie(self.cookie(state), path="/", httponly=True, samesite="Lax", secure=self._secure)

    def cookie(self, state: str) -> str:
        """A name of its own for each, so that two log-ins in two tabs don't disturb each other."""
        return f"{'__Host-' if self._secure else ''}oauth-{_hash(state)[:12]}"


def _is_same(given: str, right: str) -> bool:
    return secrets.compare_digest(given.encode("utf-8", "replace"), right.encode())


def _hash(state: str) -> str:
    return hashlib.sha256(b"oauth " + state.encode("utf-8", "replace")).hexdigest()
