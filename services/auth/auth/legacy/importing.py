"""Imports users of the legacy platform, with their ids and password hashes. A second import changes nothing."""

from typing import Literal
from uuid import UUID

from auth.domain.events import user_created
from auth.domain.users import User
from auth.legacy.rows import LegacyUser, UnreadableUser
from auth.store import oauth_accounts, users
from switchboard.messaging.outbox.unit_of_work import Work

Outcome = Literal["added", "known"]


async def import_user(work: Work, old: LegacyUser) -> tuple[Outcome, UUID]:
    """Add a user to the work's tenant, unless their address is known there. Returns the id that they have here.

    A known user is not changed: they may have changed their password since the first import. Raises `UnreadableUser`
    if the address, the id or the Google account belongs to another user.
    """
    assert work.tenant_id is not None
    known = await users.find_in_tenant(work.conn, work.tenant_id, old.email)
    if known is not None:
        return "known", known.id
    if await users.find_by_email(work.conn, old.email) is not None:
        raise UnreadableUser("has the email address of another tenant's user")
    if await users.id_exists(work.conn, old.id):
        raise UnreadableUser("has the id of another user")
    user = User(
        id=old.id,
        tenant_id=work.tenant_id,
        email=old.email,
        name=old.name,
        role=old.role,
        password_hash=old.password_hash,
        disabled=old.disabled,
        notify_phone=old.notify_phone,
        time_zone=old.time_zone,
    )
    await users.add(work.conn, user)
    if old.google_id is not None:
        if await oauth_accounts.find_user_for_update(work.conn, "google", old.google_id) is not None:
            raise UnreadableUser("has the Google account of another user")
        await oauth_accounts.add(work.conn, "google", old.google_id, user, old.email)
    await work.publish(user_created(user))
    return "added", user.id
