"""Trials: `trial.expire` and `trial.sweep` end them, the operator extends them; suspended tenants."""

from datetime import UTC, datetime, timedelta

import pytest

from auth.actions.sign_up import sign_up
from auth.actions.tenants import extend_trial, suspend_tenant
from auth.consumers import subscriptions
from auth.domain.tenants import Tenant
from auth.domain.users import EmailTaken
from auth.store import tenants
from switchboard.contracts.auth import TenantTrialExpired, TrialExpire, TrialSweep
from switchboard.messaging.outbox.unit_of_work import open_work
from switchboard.postgres.database import Database
from switchboard.testing import becomes
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
        extended = await extend_trial(work, NOW + timedelta(days=2), NOW)

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


async def test_a_trial_that_is_over_goes_on_when_the_operator_extends_it(deployment: Deployment) -> None:
    auth = await deployment.auth(trial_duration="1ms")
    gateways = await deployment.gateway(auth), await deployment.gateway(auth)
    signed_up = await deployment.sign_up(gateways[0])
    token, reminders = signed_up["session"]["token"], f"{gateways[1]}{API}/reminders"
    assert await deployment.status("POST", reminders, token, json={}) == 402

    async with deployment.work_of_operator(signed_up["tenant"]["id"]) as work:
        await extend_trial(work, datetime.now(UTC) + timedelta(days=1), datetime.now(UTC))

    # let through, but there is no scheduler
    await becomes(lambda: deployment.status("POST", reminders, token, json={}), 503)


async def test_the_owner_cannot_move_the_end_of_the_trial(deployment: Deployment) -> None:
    gateway, _ = await deployment.gateways()
    signed_up = await deployment.sign_up(gateway)
    token = signed_up["session"]["token"]
    for ends in ("2999-01-01T00:00:00Z", "2001-01-01T00:00:00Z"):
        body = {"name": "Other", "trial_ends_at": ends}

        status, problem = await deployment.request("PATCH", f"{gateway}{API}/tenant", token, body)

        assert (status, problem["code"]) == (403, "trial_set_by_operator")
        assert problem["errors"][0]["loc"] == ["body", "trial_ends_at"]
    _, account = await deployment.request("GET", f"{gateway}{API}/auth/me", token)
    assert account["tenant"] == signed_up["tenant"]
    unchanged = {"name": "Other", "trial_ends_at": None}
    status, renamed = await deployment.request("PATCH", f"{gateway}{API}/tenant", token, unchanged)
    assert (status, renamed["name"]) == (200, "Other")


async def test_a_suspended_tenant_is_refused_until_it_is_resumed(deployment: Deployment) -> None:
    gateways = await deployment.gateways()
    signed_up = await deployment.sign_up(gateways[0])
    token, tenant_id = signed_up["session"]["token"], signed_up["tenant"]["id"]
    me, users = f"{gateways[0]}{API}/auth/me", f"{gateways[1]}{API}/users"
    assert await deployment.status("GET", users, token) == 200

    for suspended, status in ((True, 403), (False, 200)):
        async with deployment.work_of_operator(tenant_id) as work:
            await suspend_tenant(work, suspended=suspended)
            (event,) = work.published
        assert (event.type, event.data["suspended"]) == ("tenant.updated", suspended)

        await becomes(lambda: deployment.status("GET", users, token), status)
        assert (await deployment.request("GET", me, token))[1]["tenant"]["suspended"] is suspended
        if suspended:
            assert (await deployment.request("PATCH", me, token, {"name": "x"}))[1]["code"] == "tenant_suspended"
