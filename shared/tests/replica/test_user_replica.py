"""The user replica in the databases of both services that have one."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from switchboard.contracts.auth import TenantCreated, TenantUpdated, UserCreated, UserUpdated
from switchboard.contracts.envelope import Envelope
from switchboard.contracts.message import Event
from switchboard.messaging.outbox.unit_of_work import Work
from switchboard.postgres.database import open_database
from switchboard.replica.user_replica import ReplicatedUser, UserReplica, find_user, list_user_ids

TENANT, OTHER, ANNA = UUID(int=1), UUID(int=2), UUID(int=11)
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
REPLICAS = [
    ("conversations", UserReplica(user_columns=("email",))),
    ("scheduler", UserReplica(tenant_columns=("trial_ends_at",))),
]


def received(conn: asyncpg.Connection, event: Event, seconds: int) -> Work:
    envelope = Envelope(
        id=UUID(int=seconds + 1),
        source="auth",
        type=event.type,
        subject=event.subject,
        time=NOON + timedelta(seconds=seconds),
        data=event.model_dump(mode="json"),
        tenant_id=TENANT,
    )
    return Work(conn, "test", TENANT, envelope)


def user(event: type[Any], **fields: Any) -> Any:
    return event(user_id=ANNA, email="a@b.example", name="Anna", role="agent", **{"disabled": False, **fields})


@pytest.mark.parametrize(("service", "replica"), REPLICAS)
async def test_the_last_event_of_a_user_wins_in_any_order_of_arrival(
    service: str, replica: UserReplica, database_url: Callable[[str], str]
) -> None:
    created, updated = user(UserCreated), user(UserUpdated, disabled=True, notify_phone="+14155550199")
    async with (
        open_database(database_url(service), application=service, size=1) as database,
        database.connection() as conn,
    ):
        await replica.apply_user(updated, received(conn, updated, 2))
        await replica.apply_user(created, received(conn, created, 1))

        assert await find_user(conn, TENANT, ANNA) == ReplicatedUser(
            ANNA, TENANT, "Anna", "agent", True, "+14155550199", None
        )
        assert await find_user(conn, OTHER, ANNA) is None
        assert await list_user_ids(conn, TENANT) == [ANNA]


@pytest.mark.parametrize(("service", "replica"), REPLICAS)
async def test_an_outdated_event_of_a_tenant_is_not_saved(
    service: str, replica: UserReplica, database_url: Callable[[str], str]
) -> None:
    created = TenantCreated(tenant_id=TENANT, name="Acme", status="trial", trial_ends_at=NOON)
    updated = TenantUpdated(tenant_id=TENANT, name="Acme", status="active", trial_ends_at=None)
    async with (
        open_database(database_url(service), application=service, size=1) as database,
        database.connection() as conn,
    ):
        saved = [
            await replica.save_tenant(updated, received(conn, updated, 2)),
            await replica.save_tenant(created, received(conn, created, 1)),
        ]

        assert saved == [True, False]
        assert await conn.fetchval("select status from tenants where id = $1", TENANT) == "active"
