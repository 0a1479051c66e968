"""Signed identities: short-lived tokens that the gateway signs for one service, and that service verifies.

The header `X-Switchboard-Identity` carries a JWT signed with Ed25519. Its claims: `aud` the service, `sub` the user,
`tid` the tenant, `role`, `sid` the session, `sxp` the end of the session, `exp` one minute ahead. Services accept no
other proof of identity, also within the private network.

Tenant isolation: the tenant of a request is that of its signed identity, never one that the client names. The `store`
of each service looks for a caller's rows by that tenant.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from time import time
from typing import Any
from uuid import UUID

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from switchboard.http.identity_keys import Keys, UnknownKey
from switchboard.runtime.refusals import Unauthenticated

IDENTITY_HEADER = "X-Switchboard-Identity"
ALGORITHM = "Ed25519"
LIFETIME = 60  # seconds
LEEWAY = 5  # seconds that two clocks may differ
RENEW_BEFORE = 15  # seconds before its expiry a token is replaced
CACHE_SIZE = 10_000  # tokens in the cache of a signer or verifier
MAX_TOKEN_LENGTH = 4096

Clock = Callable[[], float]


class Role(StrEnum):
    """A user's role in the tenant: owner > admin > agent."""

    AGENT = "agent"
    ADMIN = "admin"
    OWNER = "owner"

    @property
    def rank(self) -> int:
        """A higher rank has more permissions."""
        return _RANKS[self]

    def allows(self, needed: "Role") -> bool:
        """Whether this role is sufficient where `needed` is required."""
        return self.rank >= needed.rank

    def __lt__(self, other: str) -> bool:
        return self.rank < Role(other).rank

    def __le__(self, other: str) -> bool:
        return self.rank <= Role(other).rank

    def __gt__(self, other: str) -> bool:
        return self.rank > Role(other).rank

    def __ge__(self, other: str) -> bool:
        return self.rank >= Role(other).rank


_RANKS = {Role.AGENT: 1, Role.ADMIN: 2, Role.OWNER: 3}


@dataclass(frozen=True, slots=True)
class Identity:
    """A signed-in user in one session. `session_ends`: its expiry in seconds since 1970, None if unknown."""

    user_id: UUID
    tenant_id: UUID
    role: Role
    session_id: UUID
    session_ends: float | None = field(default=None, compare=False)


class InvalidIdentity(Unauthenticated):
    """This requires a session: sign in and send the session token through a gateway."""


class IdentityVerifier:
    """Verifies identities for `audience`. Verified tokens are cached until they expire."""

    def __init__(self, audience: str, keys: Keys, *, clock: Clock = time, cache_size: int = CACHE_SIZE) -> None:
        self.keys = keys
        self._audiences = frozenset({audience})
        self._clock = clock
        self._cache_size = cache_size
        self._verified: dict[str, tuple[Identity, float]] = {}

    def of(self, *audiences: str) -> "IdentityVerifier":
        """A verifier with the same keys for identities of any of these audiences."""
        other = IdentityVerifier(audiences[0], self.keys, clock=self._clock, cache_size=self._cache_size)
        other._audiences = frozenset(audiences)
        return other

    async def verify(self, token: str | None) -> Identity:
        """The identity in a token. Raises `InvalidIdentity`, or `KeysUnavailable` while auth's keys are not known."""
        if not token:
            raise InvalidIdentity
        cached = self._verified.get(token)
        if cached is not None and self._clock() < cached[1]:
            return cached[0]
        return await self._verify(token)

    async def _verify(self, token: str) -> Identity:
        if len(token) > MAX_TOKEN_LENGTH:
            raise InvalidIdentity
        try:
            key = await self.keys.find(str(jws.extract_compact(token.encode()).headers().get("kid")))
            claims = jwt.decode(token, key, algorithms=[ALGORITHM]).claims
            identity, expires = self._read(claims)
        except (JoseError, UnknownKey, ValueError, KeyError, TypeError, AttributeError):
            raise InvalidIdentity from None
        self._cache(token, identity, expires)
        return identity

    def _read(self, claims: dict[str, Any]) -> tuple[Identity, float]:
        expires = float(claims["exp"]) + LEEWAY
        if claims["aud"] not in self._audiences or self._clock() >= expires or claims["iat"] > self._clock() + LEEWAY:
            raise InvalidIdentity
        ids = UUID(claims["sub"]), UUID(claims["tid"]), Role(claims["role"]), UUID(claims["sid"])
        ends = claims.get("sxp")
        return Identity(*ids, session_ends=None if ends is None else float(ends)), expires

    def _cache(self, token: str, identity: Identity, expires: float) -> None:
        while len(self._verified) >= self._cache_size:
            self._verified.pop(next(iter(self._verified)))
        self._verified.pop(token, None)
        self._verified[token] = (identity, expires)


class IdentitySigner:
    """Signs identities. A token is reused for its session until shortly before it expires."""

    def __init__(
        self, key: OKPKey, *, issuer: str = "api-gateway", clock: Clock = time, cache_size: int = CACHE_SIZE
    ) -> None:
        self._key = key
        self._header = {"alg": ALGORITHM, "kid": str(key.kid), "typ": "JWT"}
        self._issuer = issuer
        self._clock = clock
        self._cache_size = cache_size
        self._signed: dict[tuple[UUID, Role, object, str], tuple[str, float]] = {}

    def sign(self, identity: Identity, audience: str, *, version: object = 0) -> str:
        """The token for the header. `version`: the session's version; a new one makes a new token."""
        key = (identity.session_id, identity.role, version, audience)
        signed = self._signed.get(key)
        now = self._clock()
        if signed is not None and now < signed[1]:
            return signed[0]
        token = self._encode(identity, audience, int(now))
        while len(self._signed) >= self._cache_size:
            self._signed.pop(next(iter(self._signed)))
        self._signed.pop(key, None)
        self._signed[key] = (token, int(now) + LIFETIME - RENEW_BEFORE)
        return token

    def _encode(self, identity: Identity, audience: str, now: int) -> str:
        claims: dict[str, Any] = {
            "iss": self._issuer,
            "aud": audience,
            "sub": str(identity.user_id),
            "tid": str(identity.tenant_id),
            "role": identity.role.value,
            "sid": str(identity.session_id),
            "iat": now,
            "exp": now + LIFETIME,
        }
        if identity.session_ends is not None:
            claims["sxp"] = identity.session_ends
        return jwt.encode(self._header, claims, self._key, algorithms=[ALGORITHM])
