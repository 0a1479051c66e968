"""What auth is asked and what it answers, as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, EmailStr, Field, StringConstraints

from auth.actions.sessions import SignedIn
from auth.domain.preferences import known_zone, normalised
from auth.domain.users import Session, Tenant, User
from switchboard.contracts.auth import RoleName, TenantStatus
from switchboard.http import Body, Moment

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
NewPassword = Annotated[str, StringConstraints(min_length=8, max_length=256)]
GivenRole = Literal["admin", "agent"]
Phone = Annotated[str, StringConstraints(max_length=40), AfterValidator(normalised)]
TimeZone = Annotated[str, StringConstraints(max_length=60), AfterValidator(known_zone)]
Email = Annotated[EmailStr, StringConstraints(max_length=254)]


class SignUp(Body):
    tenant_name: Name
    name: Name
    email: Email
    password: NewPassword


class LogIn(Body):
    email: Annotated[str, StringConstraints(min_length=1, max_length=254)]
    password: Annotated[str, StringConstraints(min_length=1, max_length=256)]


class AcceptInvite(Body):
    token: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    password: NewPassword


class ChangePassword(Body):
    current: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    new: NewPassword


class ChangeMe(Body):
    """What is left out stays, and so does a name of null; null clears a phone or a time zone."""

    name: Name | None = None
    notify_phone: Phone | None = None
    time_zone: TimeZone | None = None


class InviteUser(Body):
    email: Email
    name: Name
    role: GivenRole = "agent"


class ChangeUser(Body):
    role: GivenRole | None = None
    name: Name | None = None
    disabled: bool | None = None


class ChangeTenant(Body):
    name: Name | None = None
    trial_ends_at: Moment | None = None


class Resolve(Body):
    token: Annotated[str, StringConstraints(min_length=1, max_length=200)]


class UserView(BaseModel):
    id: UUID
    email: str
    name: str
    role: RoleName
    notify_phone: str | None
    time_zone: str | None
    disabled: bool

    @classmethod
    def of(cls, user: User) -> UserView:
        return cls(
            id=user.id,
            email=user.email,
            name=user.name,
            role=user.role,
            notify_phone=user.notify_phone,
            time_zone=user.time_zone,
            disabled=user.disabled,
        )


class TenantView(BaseModel):
    id: UUID
    name: str
    status: TenantStatus
    trial_ends_at: datetime | None

    @classmethod
    def of(cls, tenant: Tenant, now: datetime) -> TenantView:
        return cls(id=tenant.id, name=tenant.name, status=tenant.status_at(now), trial_ends_at=tenant.trial_ends_at)


class SessionToken(BaseModel):
    token: str = Field(description="For `Authorization: Bearer`; shown this once.")
    expires_at: datetime


class SignedInView(BaseModel):
    user: UserView
    tenant: TenantView
    session: SessionToken

    @classmethod
    def of(cls, signed_in: SignedIn, now: datetime) -> SignedInView:
        return cls(
            user=UserView.of(signed_in.user),
            tenant=TenantView.of(signed_in.tenant, now),
            session=SessionToken(token=signed_in.token, expires_at=signed_in.session.expires_at),
        )


class SessionView(BaseModel):
    id: UUID
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    address: str | None
    agent: str | None
    current: bool

    @classmethod
    def of(cls, session: Session, current: UUID) -> SessionView:
        return cls(
            id=session.id,
            created_at=session.created_at,
            last_seen_at=session.last_seen_at,
            expires_at=session.expires_at,
            address=session.address,
            agent=session.agent,
            current=session.id == current,
        )


class InvitedView(BaseModel):
    user: UserView
    invite_token: str = Field(description="For the invited person alone, shown this once.")


class Me(BaseModel):
    user: UserView
    tenant: TenantView


class TenantState(BaseModel):
    status: TenantStatus
    trial_ends_at: datetime | None


class Resolved(BaseModel):
    """A live session, for gateways and realtime. `version` rises when the user's role changes."""

    session_id: UUID
    user_id: UUID
    tenant_id: UUID
    role: RoleName
    version: int
    expires_at: datetime
    tenant: TenantState
