"""The events that auth publishes, made from its tenants and users."""

from typing import Any

from auth.domain.tenants import Tenant
from auth.domain.users import User
from switchboard.contracts.auth import (
    TenantCreated,
    TenantTrialExpired,
    TenantTrialExtended,
    TenantUpdated,
    UserCreated,
    UserUpdated,
)


def tenant_created(tenant: Tenant) -> TenantCreated:
    return TenantCreated(**_tenant(tenant))


def tenant_updated(tenant: Tenant) -> TenantUpdated:
    return TenantUpdated(**_tenant(tenant))


def trial_extended(tenant: Tenant) -> TenantTrialExtended:
    return TenantTrialExtended(**_tenant(tenant))


def trial_expired(tenant: Tenant) -> TenantTrialExpired:
    return TenantTrialExpired(**_tenant(tenant))


def user_created(user: User) -> UserCreated:
    return UserCreated(**_user(user))


def user_updated(user: User) -> UserUpdated:
    return UserUpdated(**_user(user))


def _tenant(tenant: Tenant) -> dict[str, Any]:
    return {
        "tenant_id": tenant.id,
        "name": tenant.name,
        "status": tenant.status,
        "trial_ends_at": tenant.trial_ends_at,
        "suspended": tenant.suspended,
    }


def _user(user: User) -> dict[str, Any]:
    return {
        "user_id": user.id,
        "email": user.email,
        "name": user.name,
        "role": user.role,
        "disabled": user.disabled,
        "notify_phone": user.notify_phone,
        "time_zone": user.time_zone,
    }
