"""Tenants, users and sessions: facts and rules. No I/O; time and ids come in as arguments."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from switchboard.contracts.auth import RoleName, TenantStatus
from switchboard.runtime.refusals import Conflict, Forbidden, Invalid, Refusal, Unauthenticated

RANKS: dict[RoleName, int] = {"agent": 0, "admin": 1, "owner": 2}


class InvalidCredentials(Unauthenticated):
    """The email address or the password is wrong."""

    code = "invalid_credentials"


class EmailTaken(Conflict):
    """There is a user with this email address already."""

    code = "email_taken"


class OwnerStays(Conflict):
    """The owner of a tenant keeps that role and can't be disabled."""

    code = "owner_stays"


class RankTooLow(Forbidden):
    """Nobody gives a role above their own, nor changes somebody above them."""


class InviteInvalid(Refusal):
    """The invitation is unknown, used or too old."""

    code = "invite_invalid"
    status = 400


class OAuthStateInvalid(Refusal):
    """This log-in was not begun here, in this browser, in the last ten minutes, or is used already."""

    code = "oauth_state_invalid"
    status = 400


class ProviderRefused(Refusal):
    """The provider did not vouch for anybody."""

    code = "oauth_refused"
    status = 400


class EmailUnverified(Forbidden):
    """The provider does not say that the email address is yours."""

    code = "oauth_email_unverified"


class LinkRequired(Conflict):
    """There is a user with this email address: sign in as that one, then link the provider's account."""

    code = "oauth_link_required"


class OAuthAccountTaken(Conflict):
    """This account of the provider, or its address, belongs to another user."""

    code = "oauth_account_taken"


@dataclass(frozen=True, slots=True)
class Tenant:
    """A customer of ours. `trial_ends_at` is None for one that pays."""

    id: UUID
    name: str
    status: TenantStatus
    trial_ends_at: datetime | None

    def status_at(self, now: datetime) -> TenantStatus:
        """The stored status, or `expired` as soon as the trial's end has passed, recorded or not."""
        return "expired" if self.trial_is_over(now) else self.status

    def trial_is_over(self, now: datetime) -> bool:
        return self.status == "trial" and self.trial_ends_at is not None and self.trial_ends_at <= now

    def expired(self) -> Tenant:
        return replace(self, status="expired")

    def renamed(self, name: str) -> Tenant:
        return replace(self, name=name)

    def extended(self, trial_ends_at: datetime, now: datetime) -> Tenant:
        """The trial ends at `trial_ends_at`, which must be later than now and than it did. Raises `Invalid`."""
        if trial_ends_at <= now or (self.trial_ends_at is not None and trial_ends_at <= self.trial_ends_at):
            raise Invalid.field("must be later than now and than it was", "body", "trial_ends_at")
        return replace(self, status="trial", trial_ends_at=trial_ends_at)


@dataclass(frozen=True, slots=True)
class User:
    """A person with one address, of one tenant. `version` rises with each change that cached sessions mustn't outlive.

    `password_hash` is None for one who was invited, or signs in by a provider only.
    """

    id: UUID
    tenant_id: UUID
    email: str
    name: str
    role: RoleName
    password_hash: str | None = None
    disabled: bool = False
    notify_phone: str | None = None
    time_zone: str | None = None
    version: int = 1

    def with_role(self, role: RoleName, by: RoleName) -> User:
        """Given `role` by somebody of role `by`. Raises `OwnerStays` or `RankTooLow`."""
        if role == self.role:
            return self
        if self.role == "owner":
            raise OwnerStays()
        if RANKS[role] > RANKS[by] or role == "owner":
            raise RankTooLow()
        return replace(self, role=role, version=self.version + 1)

    def switched(self, disabled: bool) -> User:
        """Disabled or enabled again. Raises `OwnerStays`."""
        if disabled == self.disabled:
            return self
        if self.role == "owner":
            raise OwnerStays()
        return replace(self, disabled=disabled, version=self.version + 1)

    def renamed(self, name: str) -> User:
        return replace(self, name=name)

    def with_password(self, password_hash: str) -> User:
        return replace(self, password_hash=password_hash)

    def check_touched_by(self, role: RoleName) -> None:
        """Raises `RankTooLow` for who stands below this user."""
        if RANKS[self.role] > RANKS[role]:
            raise RankTooLow()


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in. `token_hash` is the sha256 of the token that only its holder has."""

    id: UUID
    tenant_id: UUID
    user_id: UUID
    token_hash: bytes
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    address: str | None = None
    agent: str | None = None


def begun_session(
    id: UUID,
    user: User,
    token_hash: bytes,
    now: datetime,
    lasts: timedelta,
    address: str | None,
    agent: str | None,
) -> Session:
    """A session of `user` that starts now."""
    return Session(
        id=id,
        tenant_id=user.tenant_id,
        user_id=user.id,
        token_hash=token_hash,
        created_at=now,
        last_seen_at=now,
        expires_at=now + lasts,
        address=address,
        agent=agent[:400] if agent else None,
    )


def cleaned_email(text: str) -> str:
    """As it is stored and compared: addresses differ by more than case and space, or not at all."""
    return text.strip().lower()
