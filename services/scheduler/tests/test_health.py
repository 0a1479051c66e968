"""What an instance says of time in `/readyz` and `/health`: who leads since when, what is due next, how late it is."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from scheduler.domain.clock import VirtualClock
from scheduler.metrics import SchedulerMetrics
from scheduler.workers.health import LEASE, Stalled, Timekeeping
from switchboard.postgres.database import Database, open_database
from switchboard.testing import becomes

from .instances import Fleet, open_fleet
from .world import ANNA, NOON, World


async def told(world: World, path: str) -> tuple[int, dict[str, Any]]:
    async with world.client.get(path) as answer:
        return answer.status, await answer.json()


def text(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def given_reminder(world: World) -> None:
    body = {"lead_id": "l", "note": "", "remind_at": text(NOON + timedelta(hours=1))}
    assert (await world.call(ANNA, "POST", "/reminders", body)).status == 201


async def leading_since(database: Database) -> str:
    async with database.connection() as conn:
        return text(await conn.fetchval("select acquired_at from leases where name = $1", LEASE))


async def test_it_tells_who_leads_since_when_and_what_is_due_next(world: World) -> None:
    await given_reminder(world)

    status, health = await told(world, "/health")
    ready, readiness = await told(world, "/readyz")

    assert (status, ready) == (200, 200)
    assert health["schedule"] == {
        "leader": world.leader.lease.holder,
        "term": 1,
        "since": await leading_since(world.database),
        "next_due": text(NOON + timedelta(hours=1)),
        "late_seconds": 0,
        "seen_at": text(NOON),
    }
    assert readiness["schedule"] == health["schedule"]


async def test_what_is_late_degrades_it_and_leaves_it_ready(world: World) -> None:
    await given_reminder(world)
    world.clock.set(NOON + timedelta(hours=1, seconds=30))

    _, health = await told(world, "/health")
    ready, readiness = await told(world, "/readyz")

    assert health["status"] == "degraded"
    assert health["checks"]["lateness"] == "error: an occurrence has been due for 30 s"
    assert health["checks"]["leader"] == "ok"
    assert (ready, readiness["schedule"]["late_seconds"]) == (200, 30)

    await world.leader.fire_due()

    _, health = await told(world, "/health")
    assert (health["status"], health["schedule"]["next_due"]) == ("ok", None)


async def test_without_a_leader_it_names_the_last_one(database_url: Callable[[str], str]) -> None:
    async with open_database(database_url("scheduler"), application="scheduler", size=1) as database:
        timekeeping = Timekeeping(database, VirtualClock(NOON), SchedulerMetrics(CollectorRegistry()))
        assert timekeeping.facts() == {}
        with pytest.raises(Stalled, match=r"^nobody leads$"):
            await timekeeping.check_leader()

        async with database.connection() as conn:
            await conn.execute(
                """insert into leases (name, holder, term, acquired_at, expires_at)
                   values ($1, 'gone/1', 7, clock_timestamp() - interval '1 minute', clock_timestamp())""",
                LEASE,
            )

        with pytest.raises(Stalled, match=r"^nobody leads; gone/1 did last$"):
            await timekeeping.check_leader()
        facts = timekeeping.facts()
        assert (facts["leader"], facts["term"], facts["since"]) == (None, None, None)


@pytest.mark.timeout(120)
async def test_a_running_instance_tells_it_unasked(
    database_url: Callable[[str], str], amqp_url: str, tmp_path: Path
) -> None:
    async with open_fleet(database_url("scheduler"), amqp_url, tmp_path, 1) as fleet:
        await becomes(lambda: _ready_leader(fleet), await fleet.holder(), within=60)


async def _ready_leader(fleet: Fleet) -> str | None:
    [instance] = fleet.instances.values()
    with suppress(aiohttp.ClientError):
        async with aiohttp.ClientSession() as client, client.get(instance.url("/readyz")) as answer:
            leader: str | None = (await answer.json()).get("schedule", {}).get("leader")
            return leader
    return None
