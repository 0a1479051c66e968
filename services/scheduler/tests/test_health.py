"""`/readyz` and `/health`: the leader and its term, the next due time, the lateness."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from scheduler.domain.kinds import KINDS
from scheduler.metrics import SchedulerMetrics
from scheduler.store.claims import FIRING_LEASE
from scheduler.workers.health import FiringHealth, Stalled
from switchboard.postgres.database import Database, open_database
from switchboard.testing import becomes

from .cluster import Cluster, open_cluster
from .virtual_time import ANNA, NOON, VirtualClock, VirtualScheduler


async def health_of(scheduler: VirtualScheduler, path: str) -> tuple[int, dict[str, Any]]:
    async with scheduler.client.get(path) as answer:
        return answer.status, await answer.json()


def text(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def given_reminder(scheduler: VirtualScheduler) -> None:
    body = {"lead_id": "l", "note": "", "remind_at": text(NOON + timedelta(hours=1))}
    assert (await scheduler.call(ANNA, "POST", "/reminders", body)).status == 201


async def leading_since(database: Database) -> str:
    async with database.connection() as conn:
        return text(await conn.fetchval("select acquired_at from leases where name = $1", FIRING_LEASE))


async def test_health_shows_the_leader_and_the_next_due_time(scheduler: VirtualScheduler) -> None:
    await given_reminder(scheduler)

    status, health = await health_of(scheduler, "/health")
    ready, readiness = await health_of(scheduler, "/readyz")

    assert (status, ready) == (200, 200)
    assert health["schedule"] == {
        "leader": scheduler.firer.lease.holder,
        "term": 1,
        "since": await leading_since(scheduler.database),
        "next_due": text(NOON + timedelta(hours=1)),
        "late_seconds": 0,
        "seen_at": text(NOON),
    }
    assert readiness["schedule"] == health["schedule"]


async def test_lateness_degrades_health_but_not_readiness(scheduler: VirtualScheduler) -> None:
    await given_reminder(scheduler)
    scheduler.clock.set(NOON + timedelta(hours=1, seconds=30))

    _, health = await health_of(scheduler, "/health")
    ready, readiness = await health_of(scheduler, "/readyz")

    assert health["status"] == "degraded"
    assert health["checks"]["lateness"] == "error: an occurrence has been due for 30 s"
    assert health["checks"]["leader"] == "ok"
    assert (ready, readiness["schedule"]["late_seconds"]) == (200, 30)

    await scheduler.firer.fire_due()

    _, health = await health_of(scheduler, "/health")
    assert (health["status"], health["schedule"]["next_due"]) == ("ok", None)


async def test_health_without_a_leader_names_the_last_one(database_url: Callable[[str], str]) -> None:
    async with open_database(database_url("scheduler"), application="scheduler", size=1) as database:
        health = FiringHealth(database, VirtualClock(NOON), SchedulerMetrics(CollectorRegistry(), KINDS))
        assert health.details() == {}
        with pytest.raises(Stalled, match=r"^no instance is the leader$"):
            await health.check_leader()

        async with database.connection() as conn:
            await conn.execute(
                """insert into leases (name, holder, term, acquired_at, expires_at)
                   values ($1, 'gone/1', 7, clock_timestamp() - interval '1 minute', clock_timestamp())""",
                FIRING_LEASE,
            )

        with pytest.raises(Stalled, match=r"^no instance is the leader; the last one was gone/1$"):
            await health.check_leader()
        details = health.details()
        assert (details["leader"], details["term"], details["since"]) == (None, None, None)


@pytest.mark.timeout(120)
async def test_a_running_instance_observes_the_leader_by_itself(
    database_url: Callable[[str], str], amqp_url: str, tmp_path: Path
) -> None:
    async with open_cluster(database_url("scheduler"), amqp_url, tmp_path, 1) as cluster:
        await becomes(lambda: _ready_leader(cluster), await cluster.holder(), within=60)


async def _ready_leader(cluster: Cluster) -> str | None:
    [instance] = cluster.instances.values()
    with suppress(aiohttp.ClientError):
        async with aiohttp.ClientSession() as client, client.get(instance.url("/readyz")) as answer:
            leader: str | None = (await answer.json()).get("schedule", {}).get("leader")
            return leader
    return None
