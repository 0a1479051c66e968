"""Signing up, in and out. What ends a session or changes what a cached one says returns the marks to show."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from uuid_utils.compat import uuid7

from auth.adapters.password_hashing import Passwords
from auth.domain.events import tenant_created, user_created
from auth.domain.session_invalidation import Mark, dead_session
from auth.domain.tokens import digest, new_token
from auth.domain.users import InvalidCredentials, Session, Tenant, User, begun_session, cleaned_email
from auth.store import accounts as store
from switchboard.contracts.auth import SessionRevoked
from switchboard.messaging.outbox.unit_of_work import Work
from switchboard.postgres.database import Database


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a sign-in came from, as its user sees it in the list of sessions."""

    address: str | None = None
    agent: str | None = None


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session just begun. `token` is known here and to its holder only."""

    user: User
    tenant: Tenant
    session: Session
    token: str


async def sign_up(
    work: Work,
    *,
    tenant_name: str,
    name: str,
    email: str,
    password_hash: str | None,
    trial: timedelta,
    now: datetime,
) -> tuple[Tenant, User]:
    """A new tenant on trial, and its owner. Raises `EmailTaken`."""
    tenant = Tenant(id=uuid7(), name=tenant_name, status="trial", trial_ends_at=now + trial)
    user = User(
        id=uuid7(),
        tenant_id=tenant.id,
        email=cleaned_email(email),
        name=name,
        role="owner",
        password_hash=password_hash,
    )
    await store.add_tenant(work.conn, tenant)
    await store.add_user(work.conn, user)
    await work.publish(tenant_created(tenant), tenant_id=tenant.id)
    await work.publish(user_created(user), tenant_id=tenant.id)
    return tenant, user


@dataclass(frozen=True, slots=True)
class Proven:
    """A user who has shown the right password; `new_hash` of it, where the stored one is outdated."""

    user: User
    new_hash: str | None = None


async def prove_password(database: Database, passwords: Passwords, email: str, password: str) -> Proven:
    """Whose credentials these are. Raises `InvalidCredentials`, at the same cost whatever was wrong."""
    async with database.connection() as conn:
        user = await store.find_user_by_email(conn, cleaned_email(email))
    matches = await passwords.matches(user.password_hash if user else None, password)
    if user is None or not matches or user.disabled:
        raise InvalidCredentials()
    if user.password_hash and passwords.is_outdated(user.password_hash):
        return Proven(user, await passwords.hash(password))
    return Proven(user)


async def log_in(work: Work, proven: Proven, lasts: timedelta, origin: Origin, now: datetime) -> SignedIn:
    """A session for a password shown. Raises `InvalidCredentials` if that has changed meanwhile."""
    user = await store.lock_user(work.conn, proven.user.tenant_id, proven.user.id)
    if user.disabled or user.password_hash != proven.user.password_hash:
        raise InvalidCredentials()
    if proven.new_hash is not None:
        user = user.with_password(proven.new_hash)
        await store.save_user(work.conn, user)
    return await begin_session(work, user, lasts, origin, now)


async def begin_session(work: Work, user: User, lasts: timedelta, origin: Origin, now: datetime) -> SignedIn:
    """A session of `user`, whose row this transaction has locked or made."""
    tenant = await store.get_tenant(work.conn, user.tenant_id)
    token = new_token()
    session = begun_session(uuid7(), user, digest(token), now, lasts, origin.address, origin.agent)
    await store.add_session(work.conn, session)
    return SignedIn(user, tenant, session, token)


async def end_session(work: Work, user_id: UUID, session_id: UUID, reason: str, now: datetime) -> list[Mark] | None:
    """End one session of a user, again if need be: the mark may not have been shown the first time.

    None when the user has no such session.
    """
    assert work.tenant_id is not None
    found = await store.end_session(work.conn, work.tenant_id, user_id, session_id, now)
    if found is None:
        return None
    session, was_live = found
    return await _ended(work, user_id, [session], reason if was_live else None)


async def end_sessions(work: Work, user_id: UUID, reason: str, now: datetime, *, but: UUID | None = None) -> list[Mark]:
    """End all sessions of a user, but one if given."""
    assert work.tenant_id is not None
    ended = await store.end_sessions(work.conn, work.tenant_id, user_id, now, but)
    return await _ended(work, user_id, ended, reason)


async def change_password(work: Work, proven: User, new_hash: str, session_id: UUID, now: datetime) -> list[Mark]:
    """Set a password for who has shown the old one; all other sessions end. Raises `InvalidCredentials` if that has
    changed meanwhile."""
    user = await store.lock_user(work.conn, proven.tenant_id, proven.id)
    if user.password_hash != proven.password_hash:
        raise InvalidCredentials()
    await store.save_user(work.conn, user.with_password(new_hash))
    return await end_sessions(work, user.id, "password_changed", now, but=session_id)


async def _ended(work: Work, user_id: UUID, sessions: list[Session], reason: str | None) -> list[Mark]:
    if not sessions:
        return []
    marks = [dead_session(session.token_hash) for session in sessions]
    await store.add_marks(work.conn, marks)
    if reason is not None:
        ids = tuple(session.id for session in sessions)
        await work.publish(SessionRevoked(session_ids=ids, user_id=user_id, reason=reason))
    return marks
