"""Which event changes what here."""

from __future__ import annotations

from scheduler.store import people
from switchboard.contracts.auth import (
    TenantCreated,
    TenantTrialExpired,
    TenantTrialExtended,
    TenantUpdated,
    UserCreated,
    UserUpdated,
)
from switchboard.messaging.subscriptions import Subscriptions
from switchboard.messaging.work import Work

TenantEvent = TenantCreated | TenantUpdated | TenantTrialExtended | TenantTrialExpired


async def know_user(event: UserCreated | UserUpdated, work: Work) -> None:
    assert work.tenant_id is not None
    assert work.envelope is not None
    user = people.User(
        id=event.user_id,
        tenant_id=work.tenant_id,
        name=event.name,
        role=event.role,
        disabled=event.disabled,
        notify_phone=event.notify_phone,
        time_zone=event.time_zone,
    )
    await people.save_user(work.conn, user, as_of=work.envelope.time)


async def know_tenant(event: TenantEvent, work: Work) -> None:
    assert work.envelope is not None
    tenant = people.Tenant(event.tenant_id, event.name, event.status, event.trial_ends_at)
    await people.save_tenant(work.conn, tenant, as_of=work.envelope.time)


def subscriptions() -> Subscriptions:
    """The table."""
    subs = Subscriptions("scheduler")
    subs.on(UserCreated, know_user)
    subs.on(UserUpdated, know_user)
    subs.on(TenantCreated, know_tenant)
    subs.on(TenantUpdated, know_tenant)
    subs.on(TenantTrialExtended, know_tenant)
    subs.on(TenantTrialExpired, know_tenant)
    return subs
