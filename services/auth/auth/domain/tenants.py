"""Tenants and their trials."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from switchboard.contracts.auth import TenantStatus
from switchboard.runtime.refusals import Error, Forbidden, Invalid


class TrialSetByOperator(Forbidden):
    """The end of a trial is set by the operator of this installation: ask them to extend it."""

    code = "trial_set_by_operator"

    def __init__(self) -> None:
        super().__init__(errors=[Error(loc=["body", "trial_ends_at"], msg="is set by the operator alone")])


@dataclass(frozen=True, slots=True)
class Tenant:
    """One customer. `trial_ends_at` is None for a paying one."""

    id: UUID
    name: str
    status: TenantStatus
    trial_ends_at: datetime | None
    suspended: bool = False

    def status_at(self, now: datetime) -> TenantStatus:
        """The stored status, or `expired` from the end of the trial on, even if that is not stored yet."""
        return "expired" if self.trial_is_over(now) else self.status

    def trial_is_over(self, now: datetime) -> bool:
        return self.status == "trial" and self.trial_ends_at is not None and self.trial_ends_at <= now

    def expired(self) -> "Tenant":
        return replace(self, status="expired")

    def renamed(self, name: str) -> "Tenant":
        return replace(self, name=name)

    def with_suspension(self, suspended: bool) -> "Tenant":
        return replace(self, suspended=suspended)

    def extended(self, trial_ends_at: datetime, now: datetime) -> "Tenant":
        """Extend the trial, which must end later than now and than before. Raises `Invalid`."""
        if trial_ends_at <= now or (self.trial_ends_at is not None and trial_ends_at <= self.trial_ends_at):
            raise Invalid.field("must be later than now and than it was", "trial_ends_at")
        return replace(self, status="trial", trial_ends_at=trial_ends_at)
