"""Request and response models."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, EmailStr, Field, StringConstraints

from auth.actions.sign_in import SignedIn
from auth.domain.preferences import check_time_zone, normalise_phone
from auth.domain.sessions import Session
from auth.domain.tenants import Tenant
from auth.domain.users import User
from switchboard.contracts.auth import RoleName, TenantStatus
from switchboard.http import Body, Moment

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
NewPassword = Annotated[str, StringConstraints(min_length=8, max_length=256)]
InvitableRole = Literal["admin", "agent"]
Phone = Annotated[str, StringConstraints(max_length=40), AfterValidator(normalise_phone)]
TimeZone = Annotated[str, StringConstraints(max_length=60), AfterValidator(check_time_zone)]


def _is_address_alone(value: object) -> object:
    if isinstance(value, str) and ("<" in value or ">" in value):
        raise ValueError("must be an address alone, without a name")
    return value


def _is_deliverable(address: str) -> str:
    if len(address.rpartition("@")[0].encode()) > MOST_LOCAL_OCTETS:
        raise ValueError(f"the part before the @ must have at most {MOST_LOCAL_OCTETS} bytes")
    return address


MOST_LOCAL_OCTETS = 64  # RFC 5321, 4.5.3.1.1
Email = Annotated[
    EmailStr, BeforeValidator(_is_address_alone), AfterValidator(_is_deliverable), StringConstraints(max_length=254)
]


class NewAccount(Body):
    tenant_name: Name
    name: Name
    email: Email
    password: NewPassword


class LoginCredentials(Body):
    email: Annotated[str, StringConstraints(min_length=1, max_length=254)]
    password: Annotated[str, StringConstraints(min_length=1, max_length=256)]


class InvitationAcceptance(Body):
    token: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    password: NewPassword


class PasswordChange(Body):
    current: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    new: NewPassword


class PreferencesChange(Body):
    """Fields that are left out stay as they are, and so does the name if it is null; null clears the other two."""

    name: Name | None = None
    notify_phone: Phone | None = None
    time_zone: TimeZone | None = None


class NewInvitation(Body):
    email: Email
    name: Name
    role: InvitableRole = "agent"


class UserChange(Body):
    role: InvitableRole | None = None
    name: Name | None = None
    disabled: bool | None = None


class TenantChange(Body):
    name: Name | None = None
    trial_ends_at: Annotated[
        Moment | None,
        Field(json_schema_extra={"deprecated": True}, description="Refused: the operator sets the end of the trial."),
    ] = None


class SessionToResolve(Body):
    token: Annotated[str, StringConstraints(min_length=1, max_length=200)]


class UserAnswer(BaseModel):
    id: UUID
    email: str
    name: str
    role: RoleName
    notify_phone: str | None
    time_zone: str | None
    disabled: bool

    @classmethod
    def of(cls, user: User) -> "UserAnswer":
        return cls.model_validate(user, from_attributes=True)


class TenantAnswer(BaseModel):
    id: UUID
    name: str
    status: TenantStatus
    trial_ends_at: datetime | None
    suspended: bool = Field(False, description="By the operator: all but `GET /auth/me` and logging out is refused.")

    @classmethod
    def of(cls, tenant: Tenant, now: datetime) -> "TenantAnswer":
        return cls(
            id=tenant.id,
            name=tenant.name,
            status=tenant.status_at(now),
            trial_ends_at=tenant.trial_ends_at,
            suspended=tenant.suspended,
        )


class SessionTokenAnswer(BaseModel):
    token: str = Field(description="For `Authorization: Bearer`; shown this once.")
    expires_at: datetime


class SignedInAnswer(BaseModel):
    user: UserAnswer
    tenant: TenantAnswer
    session: SessionTokenAnswer

    @classmethod
    def of(cls, signed_in: SignedIn, now: datetime) -> "SignedInAnswer":
        return cls(
            user=UserAnswer.of(signed_in.user),
            tenant=TenantAnswer.of(signed_in.tenant, now),
            session=SessionTokenAnswer(token=signed_in.token, expires_at=signed_in.session.expires_at),
        )


class SessionAnswer(BaseModel):
    id: UUID
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    address: str | None
    agent: str | None
    current: bool

    @classmethod
    def of(cls, session: Session, current: UUID) -> "SessionAnswer":
        return cls.model_validate({**asdict(session), "current": session.id == current})


class InvitationAnswer(BaseModel):
    user: UserAnswer
    invite_token: str = Field(description="For the invited person alone, shown this once.")


class AccountAnswer(BaseModel):
    user: UserAnswer
    tenant: TenantAnswer


class TenantStateAnswer(BaseModel):
    status: TenantStatus
    trial_ends_at: datetime | None
    suspended: bool


class ResolvedSessionAnswer(BaseModel):
    """A live session, for gateways and realtime. `version` rises when the user's role changes."""

    session_id: UUID
    user_id: UUID
    tenant_id: UUID
    role: RoleName
    version: int
    expires_at: datetime
    tenant: TenantStateAnswer

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> "ResolvedSessionAnswer":
        """Make the answer from a row of `sessions.find_live`."""
        return cls.model_validate({**found, "session_id": found["id"], "tenant": found})
