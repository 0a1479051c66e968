"""Ending sessions. The caller passes the returned invalidations to `SessionCache.invalidate` after the commit."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from auth.domain.session_invalidation import (
    SessionInvalidation,
    invalidate_changed_session,
    invalidate_ended_session,
)
from auth.domain.sessions import InvalidCredentials, Session
from auth.domain.users import User
from auth.store import cache_invalidations, sessions, users
from switchboard.contracts.auth import SessionRevoked
from switchboard.messaging.outbox.unit_of_work import Work


async def end_session(
    work: Work, user_id: UUID, session_id: UUID, reason: str, now: datetime
) -> list[SessionInvalidation] | None:
    """End one session of a user. None if the user has no such session.

    A session that has ended before is invalidated again: the cache may have been unavailable the first time.
    """
    assert work.tenant_id is not None
    found = await sessions.end(work.conn, work.tenant_id, user_id, session_id, now)
    if found is None:
        return None
    session, was_live = found
    return await _invalidate_ended(work, user_id, [session], reason if was_live else None)


async def end_sessions(
    work: Work, user_id: UUID, reason: str, now: datetime, *, but: UUID | None = None
) -> list[SessionInvalidation]:
    """End all sessions of a user, except `but`."""
    assert work.tenant_id is not None
    ended = await sessions.end_all(work.conn, work.tenant_id, user_id, now, but)
    return await _invalidate_ended(work, user_id, ended, reason)


async def change_password(
    work: Work, verified: User, new_hash: str, session_id: UUID, now: datetime
) -> list[SessionInvalidation]:
    """Set the password of a user who has given the old one, and end all other sessions.

    Raises `InvalidCredentials` if the password has changed since it was verified.
    """
    user = await users.lock(work.conn, verified.tenant_id, verified.id)
    if user.password_hash != verified.password_hash:
        raise InvalidCredentials()
    await users.save(work.conn, user.with_password(new_hash))
    return await end_sessions(work, user.id, "password_changed", now, but=session_id)


async def invalidate_sessions(work: Work, user_id: UUID, now: datetime) -> list[SessionInvalidation]:
    """Invalidate the cached sessions of a user: gateways then ask auth again."""
    assert work.tenant_id is not None
    live = await sessions.list_live(work.conn, work.tenant_id, user_id, now)
    invalidations = [invalidate_changed_session(session.token_hash) for session in live]
    await cache_invalidations.add(work.conn, invalidations)
    return invalidations


async def _invalidate_ended(
    work: Work, user_id: UUID, ended: Sequence[Session], reason: str | None
) -> list[SessionInvalidation]:
    if not ended:
        return []
    invalidations = [invalidate_ended_session(session.token_hash) for session in ended]
    await cache_invalidations.add(work.conn, invalidations)
    if reason is not None:
        ids = tuple(session.id for session in ended)
        await work.publish(SessionRevoked(session_ids=ids, user_id=user_id, reason=reason))
    return invalidations
