"""Sign-up: a new tenant with its owner."""

from datetime import datetime, timedelta

from uuid_utils.compat import uuid7

from auth.domain.events import tenant_created, user_created
from auth.domain.tenants import Tenant
from auth.domain.users import User, normalise_email
from auth.store import tenants, users
from switchboard.messaging.outbox.unit_of_work import Work


async def sign_up(
    work: Work,
    *,
    tenant_name: str,
    name: str,
    email: str,
    password_hash: str | None,
    trial: timedelta,
    now: datetime,
) -> tuple[Tenant, User]:
    """Create a tenant on trial, and its owner. Raises `EmailTaken`."""
    tenant = Tenant(id=uuid7(), name=tenant_name, status="trial", trial_ends_at=now + trial)
    owner = User(
        id=uuid7(),
        tenant_id=tenant.id,
        email=normalise_email(email),
        name=name,
        role="owner",
        password_hash=password_hash,
    )
    await tenants.add(work.conn, tenant)
    await users.add(work.conn, owner)
    await work.publish(tenant_created(tenant), tenant_id=tenant.id)
    await work.publish(user_created(owner), tenant_id=tenant.id)
    return tenant, owner
