"""OAuth state: a sign-in that waits in Redis for the provider's answer. Used once, by the browser that began it."""

import hashlib
import secrets
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

import orjson
from aiohttp import web
from redis.asyncio import Redis

from auth.domain.oauth import OAuthStateInvalid
from switchboard.runtime.redis import REDIS_ERRORS, RedisUnavailable

LIFETIME_SECONDS = 600


@dataclass(frozen=True, slots=True)
class OAuthState:
    """A sign-in that has begun. Kept as JSON in Redis under these field names.

    With `user_id`, `tenant_id` and `session_id` the provider's account is to be linked to that user.
    """

    provider: str
    nonce: str
    verifier: str
    redirect_to: str
    user_id: UUID | None = None
    tenant_id: UUID | None = None
    session_id: UUID | None = None

    @classmethod
    def read(cls, text: bytes | str) -> "OAuthState":
        fields: dict[str, Any] = orjson.loads(text)
        for name in ("user_id", "tenant_id", "session_id"):
            fields[name] = UUID(fields[name]) if fields[name] else None
        return cls(**fields)


class OAuthStates:
    """Keeps the states of sign-ins. A cookie with a hash of the state binds each to the browser that began it."""

    def __init__(self, redis: Redis, *, secure: bool) -> None:
        self._redis = redis
        self._secure = secure

    async def keep(self, begun: OAuthState) -> str:
        """Store a sign-in; the `state` parameter for the provider. Raises `RedisUnavailable`."""
        state = secrets.token_urlsafe(32)
        try:
            await self._redis.set(f"oauth:state:{state}", orjson.dumps(asdict(begun)), ex=LIFETIME_SECONDS)
        except REDIS_ERRORS as error:
            raise RedisUnavailable(f"redis is unavailable: {error}") from error
        return state

    async def take(self, request: web.Request, state: str, provider: str) -> OAuthState:
        """Take a sign-in out. Raises `OAuthStateInvalid` if the state is unknown, used or another browser's."""
        if not state or not _is_same(request.cookies.get(self.cookie(state), ""), _hash(state)):
            raise OAuthStateInvalid()
        try:
            text = await self._redis.getdel(f"oauth:state:{state}")
        except REDIS_ERRORS as error:
            raise RedisUnavailable(f"redis is unavailable: {error}") from error
        if text is None:
            raise OAuthStateInvalid()
        begun = OAuthState.read(text)
        if begun.provider != provider:
            raise OAuthStateInvalid()
        return begun

    def bind(self, answer: web.StreamResponse, state: str) -> None:
        """Set the cookie that binds the state to the browser."""
        answer.set_cookie(
            self.cookie(state),
            _hash(state),
            max_age=LIFETIME_SECONDS,
            path="/",
            httponly=True,
            samesite="Lax",
            secure=self._secure,
        )

    def unbind(self, answer: web.StreamResponse, state: str) -> None:
        answer.del_cookie(self.cookie(state), path="/", httponly=True, samesite="Lax", secure=self._secure)

    def cookie(self, state: str) -> str:
        """The cookie's name, another for each state: two sign-ins in two tabs don't interfere."""
        return f"{'__Host-' if self._secure else ''}oauth-{_hash(state)[:12]}"


def _is_same(given: str, right: str) -> bool:
    return secrets.compare_digest(given.encode("utf-8", "replace"), right.encode())


def _hash(state: str) -> str:
    return hashlib.sha256(b"oauth " + state.encode("utf-8", "replace")).hexdigest()
