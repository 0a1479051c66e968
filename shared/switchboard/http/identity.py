"""Who is asking: a short-lived signed identity, made by the gateway for one service, checked by that service.

It travels in the header `X-Switchboard-Identity` as a JWT signed with Ed25519: `aud` the service, `sub` the
user, `tid` the tenant, `role`, `sid` the session, `sxp` that session's end, `exp` a minute ahead. Services
accept nothing else, whatever network asks.
"""

from __future__ import annotations

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
REUSE_UNTIL = 15  # seconds before its expiry, a signed identity is made anew
REMEMBERED = 10_000  # identities, of the verifier as of the signer
LONGEST_TOKEN = 4096

Clock = Callable[[], float]


class Role(StrEnum):
    """What a user may do in the tenant: owner > admin > agent."""

    AGENT = "agent"
    ADMIN = "admin"
    OWNER = "owner"

    @property
    def rank(self) -> int:
        """Higher may do more."""
        return _RANKS[self]

    def allows(self, needed: Role) -> bool:
        """Whether this role is enough where `needed` is."""
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
    """A signed-in user, in one session; `session_ends` by itself then (seconds since 1970), if it is known when."""

    user_id: UUID
    tenant_id: UUID
    role: Role
    session_id: UUID
    session_ends: float | None = field(default=None, compare=False)


class InvalidIdentity(Unauthenticated):
    """This takes a session: sign in, and send its token through a gateway."""


class IdentityVerifier:
    """Checks identities meant for `audience`. A token seen before costs one look-up until it expires."""

    def __init__(self, audience: str, keys: Keys, *, clock: Clock = time, remembered: int = REMEMBERED) -> None:
        self.keys = keys
        self._audiences = frozenset({audience})
        self._clock = clock
        self._remembered = remembered
        self._seen: dict[str, tuple[Identity, float]] = {}

    def of(self, *audiences: str) -> IdentityVerifier:
        """The same for what is meant for any of these."""
        other = IdentityVerifier(audiences[0], self.keys, clock=self._clock, remembered=self._remembered)
        other._audiences = frozenset(audiences)
        return other

    async def verify(self, token: str | None) -> Identity:
        """The identity. Raises `InvalidIdentity`, or `KeysUnavailable` (an Outage) when auth's keys were never to be
        had.
        """
        if not token:
            raise InvalidIdentity
        seen = self._seen.get(token)
        if seen is not None and self._clock() < seen[1]:
            return seen[0]
        return await self._verify(token)

    async def _verify(self, token: str) -> Identity:
        if len(token) > LONGEST_TOKEN:
            raise InvalidIdentity
        try:
            key = await self.keys.find(str(jws.extract_compact(token.encode()).headers().get("kid")))
            claims = jwt.decode(token, key, algorithms=[ALGORITHM]).claims
            identity, expires = self._read(claims)
        except (JoseError, UnknownKey, ValueError, KeyError, TypeError, AttributeError):
            raise InvalidIdentity from None
        self._remember(token, identity, expires)
        return identity

    def _read(self, claims: dict[str, Any]) -> tuple[Identity, float]:
        expires = float(claims["exp"]) + LEEWAY
        if claims["aud"] not in self._audiences or self._clock() >= expires or claims["iat"] > self._clock() + LEEWAY:
            raise InvalidIdentity
        ids = UUID(claims["sub"]), UUID(claims["tid"]), Role(claims["role"]), UUID(claims["sid"])
        ends = claims.get("sxp")
        return Identity(*ids, session_ends=None if ends is None else float(ends)), expires

    def _remember(self, token: str, identity: Identity, expires: float) -> None:
        while len(self._seen) >= self._remembered:
            self._seen.pop(next(iter(self._seen)))
        self._seen.pop(token, None)
        self._seen[token] = (identity, expires)


class IdentitySigner:
    """Signs identities, as the gateway does; one is reused for its session until shortly before it expires."""

    def __init__(
        self, key: OKPKey, *, issuer: str = "api-gateway", clock: Clock = time, remembered: int = REMEMBERED
    ) -> None:
        self._key = key
        self._header = {"alg": ALGORITHM, "kid": str(key.kid), "typ": "JWT"}
        self._issuer = issuer
        self._clock = clock
        self._remembered = remembered
        self._signed: dict[tuple[UUID, Role, object, str], tuple[str, float]] = {}

    def sign(self, identity: Identity, audience: str, *, version: object = 0) -> str:
        """The token for the header. `version`: the session's own, so that a change of it makes a new
        identity.
        """
        key = (identity.session_id, identity.role, version, audience)
        signed = self._signed.get(key)
        now = self._clock()
        if signed is not None and now < signed[1]:
            return signed[0]
        token = self._encode(identity, audience, int(now))
        while len(self._signed) >= self._remembered:
            self._signed.pop(next(iter(self._signed)))
        self._signed.pop(key, None)
        self._signed[key] = (token, int(now) + LIFETIME - REUSE_UNTIL)
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
