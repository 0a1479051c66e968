"""Sessions: one for each sign-in."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from auth.domain.users import User
from switchboard.runtime.refusals import Unauthenticated

MAX_AGENT = 400


class InvalidCredentials(Unauthenticated):
    """The email address or the password is wrong."""

    code = "invalid_credentials"


@dataclass(frozen=True, slots=True)
class Origin:
    """The client of a sign-in, as its user sees it in the list of sessions."""

    address: str | None = None
    agent: str | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in. `token_hash` is the sha256 of the token, which only the client has."""

    id: UUID
    tenant_id: UUID
    user_id: UUID
    token_hash: bytes
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    address: str | None = None
    agent: str | None = None


def new_session(id: UUID, user: User, token_hash: bytes, now: datetime, lifetime: timedelta, origin: Origin) -> Session:
    """A session of `user` that starts now."""
    return Session(
        id=id,
        tenant_id=user.tenant_id,
        user_id=user.id,
        token_hash=token_hash,
        created_at=now,
        last_seen_at=now,
        expires_at=now + lifetime,
        address=origin.address,
        agent=origin.agent[:MAX_AGENT] if origin.agent else None,
    )
