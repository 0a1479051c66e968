"""Trials: `trial.expire` and `trial.sweep` end them, their owner extends them."""

from datetime import UTC, datetime, timedelta

import pytest

from auth.actions.sign_up import sign_up
from auth.actions.tenants import change_tenant
from auth.consumers import subscriptions
from auth.domain.tenants import Tenant
from auth.domain.users import EmailTaken
from auth.store import tenants
from switchboard.contracts.auth import TenantTrialExpired, TrialExpire, TrialSweep
from switchboard.messaging.outbox.unit_of_work import open_work
from switchboard.postgres.database import Database
from switchboard.testing.app import deliver, published

from .deployment import API, Deployment

NOW = datetime.now(UTC)


async def signed_up(database: Database, email: str, trial: timedelta) -> Tenant:
    async with open_work(database, tenant_id=None) as work:
        tenant, _ = await sign_up(
            work, tenant_name="Acme", name="Ann", email=email, password_hash=None, trial=trial, now=NOW
        )
    return tenant


async def status_of(database: Database, tenant: Tenant) -> str:
    async with database.connection() as conn:
        return (await tenants.get(conn, tenant.id)).status


async def expire(database: Database, tenant: Tenant) -> None:
    assert tenant.trial_ends_at is not None
    command = TrialExpire(tenant_id=tenant.id, trial_ends_at=tenant.trial_ends_at)
    await deliver(subscriptions(), database, command, tenant_id=tenant.id)


async def test_a_trial_ends_once_at_its_time(database: Database) -> None:
    tenant = await signed_up(database, "ann@example.com", timedelta(seconds=-1))

    await expire(database, tenant)
    await expire(database, tenant)

    assert await status_of(database, tenant) == "expired"
    assert len(await published(database, TenantTrialExpired.type)) == 1
    async with database.connection() as conn:
        assert await conn.fetchval("select state from cache_marks where key = $1", f"tenant:{tenant.id}") == "stale"


async def test_an_expiry_from_before_an_extension_is_ignored(database: Database) -> None:
    tenant = await signed_up(database, "ann@example.com", timedelta(days=1))
    async with open_work(database, tenant_id=tenant.id) as work:
        extended, _ = await change_tenant(work, NOW, trial_ends_at=NOW + timedelta(days=2))

    await expire(database, tenant)
    assert await status_of(database, tenant) == "trial"

    await expire(database, extended)
    assert await status_of(database, tenant) == "expired"


async def test_a_sweep_ends_only_trials_that_are_over(database: Database) -> None:
    over = [await signed_up(database, f"ann{n}@example.com", timedelta(seconds=-n)) for n in range(3)]
    running = await signed_up(database, "bob@example.com", timedelta(days=1))

    await deliver(subscriptions(), database, TrialSweep(), tenant_id=None)

    assert [await status_of(database, tenant) for tenant in over] == ["expired"] * 3
    assert await status_of(database, running) == "trial"


async def test_an_email_address_is_taken_in_any_spelling(database: Database) -> None:
    await signed_up(database, "Ann@Example.com", timedelta(days=1))

    with pytest.raises(EmailTaken):
        await signed_up(database, " ann@EXAMPLE.com ", timedelta(days=1))


async def test_the_owner_extends_a_trial_that_is_over(deployment: Deployment) -> None:
    auth = await deployment.auth(trial_duration="1ms")
    gateways = await deployment.gateway(auth), await deployment.gateway(auth)
    token = (await deployment.sign_up(gateways[0]))["session"]["token"]
    reminders = f"{gateways[1]}{API}/reminders"
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    assert await deployment.status("POST", reminders, token, json={}) == 402

    extension = {"trial_ends_at": later}
    assert await deployment.status("PATCH", f"{gateways[0]}{API}/tenant", token, json=extension) == 200

    assert await deployment.status("POST", reminders, token, json={}) == 503  # let through, but there is no scheduler
