"""Sign-in by password, and the start of a session."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from uuid_utils.compat import uuid7

from auth.adapters.password_hashing import PasswordHasher
from auth.domain.sessions import InvalidCredentials, Origin, Session, new_session
from auth.domain.tenants import Tenant
from auth.domain.tokens import digest, new_token
from auth.domain.users import User, normalise_email
from auth.store import sessions, tenants, users
from switchboard.messaging.outbox.unit_of_work import Work
from switchboard.postgres.database import Database


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session that has just started. Only the client gets the `token`; it is not stored."""

    user: User
    tenant: Tenant
    session: Session
    token: str


@dataclass(frozen=True, slots=True)
class VerifiedUser:
    """A user who gave the right password. `new_hash`: the replacement of an outdated hash."""

    user: User
    new_hash: str | None = None


async def verify_password(database: Database, passwords: PasswordHasher, email: str, password: str) -> VerifiedUser:
    """Find the user with these credentials. Raises `InvalidCredentials`, which takes as long for an unknown user."""
    async with database.connection() as conn:
        user = await users.find_by_email(conn, normalise_email(email))
    matches = await passwords.matches(user.password_hash if user else None, password)
    if user is None or not matches or user.disabled:
        raise InvalidCredentials()
    if user.password_hash and passwords.is_outdated(user.password_hash):
        return VerifiedUser(user, await passwords.hash(password))
    return VerifiedUser(user)


async def log_in(work: Work, verified: VerifiedUser, lifetime: timedelta, origin: Origin, now: datetime) -> SignedIn:
    """Start a session. Raises `InvalidCredentials` if the password has changed since it was verified."""
    user = await users.lock(work.conn, verified.user.tenant_id, verified.user.id)
    if user.disabled or user.password_hash != verified.user.password_hash:
        raise InvalidCredentials()
    if verified.new_hash is not None:
        user = user.with_password(verified.new_hash)
        await users.save(work.conn, user)
    return await start_session(work, user, lifetime, origin, now)


async def start_session(work: Work, user: User, lifetime: timedelta, origin: Origin, now: datetime) -> SignedIn:
    """Start a session of `user`. The caller has locked or inserted the row of the user in this transaction."""
    tenant = await tenants.get(work.conn, user.tenant_id)
    token = new_token()
    session = new_session(uuid7(), user, digest(token), now, lifetime, origin)
    await sessions.add(work.conn, session)
    return SignedIn(user, tenant, session, token)
