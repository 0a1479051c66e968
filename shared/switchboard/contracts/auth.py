"""Events and commands of `auth`: tenants, users, sessions, trials."""

from typing import Literal
from uuid import UUID

from switchboard.contracts.message import Command, Event, Moment

RoleName = Literal["owner", "admin", "agent"]
TenantStatus = Literal["trial", "active", "expired"]

USER_PATH = "/internal/users/{id}"
"""Internal path of one user, for the scheduler and conversations. Answers the data of `user.updated`."""


class _TenantEvent(Event):
    """State of a tenant after a change. `suspended`: by the operator, until further notice."""

    visible_to = "tenant"

    tenant_id: UUID
    name: str
    status: TenantStatus
    trial_ends_at: Moment | None
    suspended: bool = False

    @property
    def subject(self) -> str:
        return f"tenant/{self.tenant_id}"


class TenantCreated(_TenantEvent):
    """A tenant signed up; its trial runs."""

    type = "tenant.created"


class TenantUpdated(_TenantEvent):
    """A tenant's own data changed, or the operator suspended or resumed it; its trial did not change."""

    type = "tenant.updated"


class TenantTrialExtended(_TenantEvent):
    """The trial ends later than it did (and runs again, if it had ended)."""

    type = "tenant.trial_extended"


class TenantTrialExpired(_TenantEvent):
    """The trial is over: unsafe requests are refused from now on."""

    type = "tenant.trial_expired"


class _UserEvent(Event):
    """State of a user after a change. `notify_phone` is E.164, `time_zone` an IANA name."""

    visible_to = "tenant"

    user_id: UUID
    email: str
    name: str
    role: RoleName
    disabled: bool
    notify_phone: str | None = None
    time_zone: str | None = None

    @property
    def subject(self) -> str:
        return f"user/{self.user_id}"


class UserCreated(_UserEvent):
    """A user exists, by sign-up, invitation or import."""

    type = "user.created"


class UserUpdated(_UserEvent):
    """A user's role, name, state or preferences changed."""

    type = "user.updated"


class SessionRevoked(Event):
    """These sessions are over, whatever a cache says. `reason`: logout, revoked, password_changed, disabled, …"""

    type = "session.revoked"
    visible_to = "internal"

    session_ids: tuple[UUID, ...]
    user_id: UUID
    reason: str

    @property
    def subject(self) -> str:
        return f"user/{self.user_id}"


class TrialExpire(Command):
    """End this tenant's trial, if it still ends at just this time."""

    type = "trial.expire"

    tenant_id: UUID
    trial_ends_at: Moment

    @property
    def subject(self) -> str:
        return f"tenant/{self.tenant_id}"


class TrialSweep(Command):
    """End every trial that is over and was missed."""

    type = "trial.sweep"

    @property
    def subject(self) -> str:
        return "trials"
