"""OAuth sign-in: finds, creates or links the user that a provider's account belongs to."""

from datetime import datetime, timedelta

from auth.actions.sign_up import sign_up
from auth.adapters.oauth_states import OAuthState
from auth.adapters.oidc_providers import OidcProfile
from auth.domain.oauth import EmailUnverified, LinkRequired, OAuthAccountTaken, OAuthStateInvalid
from auth.domain.sessions import InvalidCredentials
from auth.domain.users import User, normalise_email
from auth.store import oauth_accounts, sessions, users
from switchboard.messaging.outbox.unit_of_work import Work


async def find_or_sign_up(work: Work, provider: str, profile: OidcProfile, trial: timedelta, now: datetime) -> User:
    """The user who has this account, locked. If there is none, sign up the owner of a new tenant.

    The email address alone is never enough to sign in as a known user: that user has to link the account first.
    """
    user = await oauth_accounts.find_user_for_update(work.conn, provider, profile.subject)
    if user is not None:
        if user.disabled:
            raise InvalidCredentials("This account is disabled.")
        return user
    if profile.email is None or not profile.email_verified:
        raise EmailUnverified()
    email = normalise_email(profile.email)
    if await users.find_by_email(work.conn, email) is not None:
        raise LinkRequired()
    name = (profile.name or email.partition("@")[0])[:200]
    _, user = await sign_up(work, tenant_name=name, name=name, email=email, password_hash=None, trial=trial, now=now)
    await oauth_accounts.add(work.conn, provider, profile.subject, user, email)
    return user


async def link_account(work: Work, state: OAuthState, profile: OidcProfile, now: datetime) -> None:
    """Link the provider's account to the user who began, if the session is still live.

    Raises `OAuthStateInvalid`, `OAuthAccountTaken`, or `EmailUnverified` if the provider gives the address of a known
    user without confirming it.
    """
    assert state.tenant_id is not None
    assert state.user_id is not None
    assert state.session_id is not None
    user = await users.lock(work.conn, state.tenant_id, state.user_id)
    if user.disabled or not await sessions.is_live(work.conn, state.session_id, now):
        raise OAuthStateInvalid()
    known = await oauth_accounts.find_user_for_update(work.conn, state.provider, profile.subject)
    if known is not None and known.id != user.id:
        raise OAuthAccountTaken()
    if profile.email is not None:
        owner = await users.find_by_email(work.conn, normalise_email(profile.email))
        if owner is not None and not profile.email_verified:
            raise EmailUnverified()
        if owner is not None and owner.id != user.id:
            raise OAuthAccountTaken()
    if known is None:
        await oauth_accounts.add(work.conn, state.provider, profile.subject, user, profile.email)
