"""Bringing the original's users in, with their ids and their passwords' hashes. Again does no harm."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from auth.domain.events import user_created
from auth.domain.users import User
from auth.legacy.rows import OldUser, Unreadable
from auth.store import accounts as store
from switchboard.messaging.outbox.unit_of_work import Work

Outcome = Literal["added", "known"]


async def import_user(work: Work, old: OldUser) -> tuple[Outcome, UUID]:
    """Add them to the work's tenant, where their address isn't known. The id they have here.

    Who is here already stays as they are: since the first import they may have changed their password. Raises
    `Unreadable` when the address, the id or the Google account is another tenant's user's.
    """
    assert work.tenant_id is not None
    found = await store.find_user_by_email(work.conn, old.email)
    if found is not None:
        if found.tenant_id != work.tenant_id:
            raise Unreadable("has the email address of another tenant's user")
        return "known", found.id
    if await store.has_user(work.conn, old.id):
        raise Unreadable("has the id of another user")
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
    await store.add_user(work.conn, user)
    if old.google_id is not None:
        if await store.find_oauth_user(work.conn, "google", old.google_id) is not None:
            raise Unreadable("has the Google account of another user")
        await store.add_oauth_account(work.conn, "google", old.google_id, user, old.email)
    await work.publish(user_created(user))
    return "added", user.id
