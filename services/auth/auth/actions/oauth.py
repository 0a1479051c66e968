"""Whose account a provider's person signs in to."""

from __future__ import annotations

from datetime import datetime, timedelta

from auth.actions import sessions as actions
from auth.adapters.oauth_states import Begun
from auth.adapters.oidc_providers import Person
from auth.domain.users import (
    EmailUnverified,
    InvalidCredentials,
    LinkRequired,
    OAuthAccountTaken,
    OAuthStateInvalid,
    User,
    cleaned_email,
)
from auth.store import accounts as store
from switchboard.messaging.outbox.unit_of_work import Work


async def sign_in(work: Work, provider: str, person: Person, trial: timedelta, now: datetime) -> User:
    """The user that this person is here, locked; a new tenant's owner for a person nobody knows.

    An address that exists already is never enough: its user signs in first, and links the provider's account.
    """
    user = await store.find_oauth_user(work.conn, provider, person.subject)
    if user is not None:
        if user.disabled:
            raise InvalidCredentials("This account is disabled.")
        return user
    if person.email is None or not person.email_verified:
        raise EmailUnverified()
    email = cleaned_email(person.email)
    if await store.find_user_by_email(work.conn, email) is not None:
        raise LinkRequired()
    name = (person.name or email.partition("@")[0])[:200]
    _, user = await actions.sign_up(
        work, tenant_name=name, name=name, email=email, password_hash=None, trial=trial, now=now
    )
    await store.add_oauth_account(work.conn, provider, person.subject, user, email)
    return user


async def link(work: Work, begun: Begun, person: Person, now: datetime) -> None:
    """Add the provider's account to the user who began, whose session must still live.

    Raises `OAuthStateInvalid`, `OAuthAccountTaken`, or `EmailUnverified` where the provider claims a known address
    without vouching for it.
    """
    assert begun.tenant_id is not None
    assert begun.user_id is not None
    assert begun.session_id is not None
    user = await store.lock_user(work.conn, begun.tenant_id, begun.user_id)
    if user.disabled or not await store.is_live(work.conn, begun.session_id, now):
        raise OAuthStateInvalid()
    known = await store.find_oauth_user(work.conn, begun.provider, person.subject)
    if known is not None and known.id != user.id:
        raise OAuthAccountTaken()
    if person.email is not None:
        owner = await store.find_user_by_email(work.conn, cleaned_email(person.email))
        if owner is not None and not person.email_verified:
            raise EmailUnverified()
        if owner is not None and owner.id != user.id:
            raise OAuthAccountTaken()
    if known is None:
        await store.add_oauth_account(work.conn, begun.provider, person.subject, user, person.email)
