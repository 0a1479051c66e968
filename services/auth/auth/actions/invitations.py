"""Invitations: inviting a user into a tenant, and accepting the invitation."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from uuid_utils.compat import uuid7

from auth.actions.users import save_changed
from auth.domain.events import user_created
from auth.domain.tokens import digest, new_token
from auth.domain.users import EmailTaken, InviteInvalid, User, normalise_email
from auth.store import invitations, users
from switchboard.contracts.auth import RoleName
from switchboard.messaging.outbox.unit_of_work import Work
from switchboard.postgres.database import Database

LIFETIME = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invited user, and the token with which they accept."""

    user: User
    token: str


async def invite(work: Work, email: str, name: str, role: RoleName, *, by: RoleName, now: datetime) -> Invitation:
    """Invite a user into the work's tenant. A new invitation replaces a pending one. Raises `EmailTaken`.

    If the address belongs to another tenant's user, all looks the same but the invitation can't be accepted: an admin
    learns nothing about other tenants. Until it is accepted, whoever has the address can sign up with it.
    """
    assert work.tenant_id is not None
    user = User(id=uuid7(), tenant_id=work.tenant_id, email=normalise_email(email), name=name, role=role)
    token = new_token()
    known = await users.find_in_tenant(work.conn, work.tenant_id, user.email)
    if known is None:
        await users.add(work.conn, user, invited=True)
        await work.publish(user_created(user))
    elif await users.can_sign_in(work.conn, known.id):
        raise EmailTaken()
    else:
        before = await users.lock(work.conn, known.tenant_id, known.id)
        user = before.renamed(name).with_role(role, by)
        await save_changed(work, before, user)
        await invitations.drop_pending(work.conn, user.id)
    await invitations.add(work.conn, uuid7(), user, digest(token), now + LIFETIME)
    return Invitation(user, token)


async def check_invitation(database: Database, token: str, now: datetime) -> None:
    """Raises `InviteInvalid` for a token that can't be accepted, before anybody's password is hashed."""
    async with database.connection() as conn:
        if not await invitations.is_pending(conn, digest(token), now):
            raise InviteInvalid()


async def accept_invitation(work: Work, token: str, password_hash: str, now: datetime) -> User:
    """Set the invited user's password. An invitation can be accepted once. Raises `InviteInvalid`."""
    accepted = await invitations.accept(work.conn, digest(token), now)
    if accepted is None:
        raise InviteInvalid()
    user = await users.lock(work.conn, *accepted)
    if user.disabled or await users.can_sign_in(work.conn, user.id):  # accepted another invitation at the same time
        raise InviteInvalid()
    user = user.with_password(password_hash)
    try:
        await users.save(work.conn, user)
    except EmailTaken:  # by who has the address and has signed up with it
        raise InviteInvalid() from None
    return user
