"""Users of a tenant: inviting them, letting them in, changing what they may do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from uuid_utils.compat import uuid7

from auth.actions import sessions as actions
from auth.domain.events import user_created, user_updated
from auth.domain.session_invalidation import Mark, stale_session
from auth.domain.tokens import digest, new_token
from auth.domain.users import EmailTaken, InviteInvalid, User, cleaned_email
from auth.store import accounts as store
from switchboard.contracts.auth import RoleName
from switchboard.messaging.outbox.unit_of_work import Work

INVITES_LAST = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Invited:
    """Somebody invited; `token` is for them alone."""

    user: User
    token: str


async def invite(work: Work, email: str, name: str, role: RoleName, *, by: RoleName, now: datetime) -> Invited:
    """Invite somebody into the work's tenant, or anew who hasn't accepted yet: as the last invitation says. Raises
    `EmailTaken` for who has accepted.

    An address that belongs to another tenant's user is answered alike, by an invitation that nobody can accept:
    an admin learns nothing about other tenants.
    """
    assert work.tenant_id is not None
    user = User(id=uuid7(), tenant_id=work.tenant_id, email=cleaned_email(email), name=name, role=role)
    token = new_token()
    known = await store.find_user_by_email(work.conn, user.email)
    if known is not None and known.tenant_id != work.tenant_id:
        return Invited(user, token)
    if known is None:
        await store.add_user(work.conn, user)
        await work.publish(user_created(user))
    elif await store.has_joined(work.conn, known.id):
        raise EmailTaken()
    else:
        before = await store.lock_user(work.conn, known.tenant_id, known.id)
        user = before.renamed(name).with_role(role, by)
        await save_changed(work, before, user)
        await store.drop_invites(work.conn, user.id)
    await store.add_invite(work.conn, uuid7(), user, digest(token), now + INVITES_LAST)
    return Invited(user, token)


async def accept_invite(work: Work, token: str, password_hash: str, now: datetime) -> User:
    """The invited user, whose password is set. An invitation is accepted once. Raises `InviteInvalid`."""
    taken = await store.take_invite(work.conn, digest(token), now)
    if taken is None:
        raise InviteInvalid()
    user = await store.lock_user(work.conn, *taken)
    if user.disabled or await store.has_joined(work.conn, user.id):  # invited anew in the moment of accepting
        raise InviteInvalid()
    user = user.with_password(password_hash)
    await store.save_user(work.conn, user)
    return user


async def change_user(
    work: Work,
    user_id: UUID,
    by: RoleName,
    now: datetime,
    *,
    name: str | None = None,
    role: RoleName | None = None,
    disabled: bool | None = None,
) -> tuple[User, list[Mark]]:
    """A user as somebody of role `by` wants it, and the marks to show. Raises `OwnerStays` or `RankTooLow`."""
    assert work.tenant_id is not None
    before = await store.lock_user(work.conn, work.tenant_id, user_id)
    before.check_touched_by(by)
    user = before if name is None else before.renamed(name)
    user = user if role is None else user.with_role(role, by)
    user = user if disabled is None else user.switched(disabled)
    marks: list[Mark] = []
    if user.disabled and not before.disabled:
        marks = await actions.end_sessions(work, user_id, "disabled", now)
    elif user.version != before.version:
        marks = await outdated_sessions(work, user_id, now)
    await save_changed(work, before, user)
    return user, marks


async def change_self(
    work: Work, user_id: UUID, *, name: str | None, notify_phone: str | None, time_zone: str | None, given: set[str]
) -> User:
    """One's own preferences: those in `given`; None clears a phone or a time zone."""
    assert work.tenant_id is not None
    before = await store.lock_user(work.conn, work.tenant_id, user_id)
    wanted = {"name": name or before.name, "notify_phone": notify_phone, "time_zone": time_zone}
    user = replace(before, **{field: wanted[field] for field in given})  # type: ignore[arg-type]
    await save_changed(work, before, user)
    return user


async def outdated_sessions(work: Work, user_id: UUID, now: datetime) -> list[Mark]:
    """The marks that make gateways ask anew about each session of a user."""
    assert work.tenant_id is not None
    sessions = await store.list_sessions(work.conn, work.tenant_id, user_id, now)
    marks = [stale_session(session.token_hash) for session in sessions]
    await store.add_marks(work.conn, marks)
    return marks


async def save_changed(work: Work, before: User, user: User) -> None:
    """Save a user, and tell of it, if there is anything to."""
    if user == before:
        return
    await store.save_user(work.conn, user)
    await work.publish(user_updated(user))
