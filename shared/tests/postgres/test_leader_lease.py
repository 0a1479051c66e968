"""Leader election by a lease."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

import asyncpg

from switchboard.postgres.database import Database
from switchboard.postgres.leader_lease import LeaderLease
from switchboard.runtime.background import Stop
from switchboard.testing import until

from ..messaging.fixtures import running


@asynccontextmanager
async def frozen(lease: LeaderLease) -> AsyncIterator[None]:
    """Won, and then never renewed: its process is paused."""
    task = asyncio.create_task(lease.run(Stop()))
    await until(lambda: lease.held())
    task.cancel()
    yield


async def test_one_of_two_candidates_is_the_leader(database: Database) -> None:
    first, second = (LeaderLease(database, "leader", name) for name in ("a", "b"))
    async with running(first.run):
        await until(lambda: first.held())
        async with running(second.run):
            await asyncio.sleep(0)

            assert (first.held(), second.held()) == (True, False)


async def test_a_leader_that_resigns_is_replaced_at_once(database: Database) -> None:
    first = LeaderLease(database, "leader", "a", ttl=30, renew_every=10)
    second = LeaderLease(database, "leader", "b", ttl=30, renew_every=10)
    async with running(first.run):
        await until(lambda: first.held())
        stop = Stop()
        waiting = asyncio.create_task(second.run(stop))
        await asyncio.sleep(0)

    await until(lambda: second.held(), within=5)

    assert (first.held(), second.term) == (False, 2)
    stop.set()
    await waiting


async def test_a_hanging_leader_steps_down_before_another_is_elected(database: Database) -> None:
    hanging = LeaderLease(database, "leader", "a", ttl=1.0, margin=0.5, renew_every=0.1)
    other = LeaderLease(database, "leader", "b", ttl=1.0, margin=0.5, renew_every=0.1)
    async with frozen(hanging), running(other.run):
        await until(lambda: other.held() or not hanging.held())

        assert not hanging.held()
        await until(lambda: other.held())
        assert (hanging.term, other.term) == (1, 2)


async def test_a_leader_hanging_in_a_transaction_is_replaced(database: Database, empty_database_url: str) -> None:
    hanging = LeaderLease(database, "leader", "a", ttl=1.0)
    other = LeaderLease(database, "leader", "b", ttl=1.0)
    async with frozen(hanging):
        stuck = await asyncpg.connect(
            empty_database_url, server_settings={"idle_in_transaction_session_timeout": "2000"}
        )
        await stuck.execute("begin")
        await stuck.execute("update leases set expires_at = clock_timestamp() where name = 'leader'")

        async with running(other.run):
            await until(lambda: other.held(), within=8)

        stuck.terminate()


async def test_a_follower_writes_nothing(database: Database) -> None:
    leader = LeaderLease(database, "leader", "a", ttl=30)
    follower = LeaderLease(database, "leader", "b", ttl=30)
    async with frozen(leader), database.connection() as conn:
        state = "select holder, term, expires_at, xmin, xmax, ctid from leases"
        before, read = await conn.fetchrow(state), await _last_read(conn)

        async with running(follower.run):
            await until(lambda: _has_read_since(conn, read))

        assert await conn.fetchrow(state) == before


async def test_whoever_waits_for_leadership_is_woken_when_the_lease_is_trusted_again(
    database: Database, empty_database_url: str
) -> None:
    lease = LeaderLease(database, "leader", "a", ttl=20.0, margin=19.0, renew_every=0.2)
    async with running(lease.run):
        await until(lambda: lease.held())
        slow = await asyncpg.connect(empty_database_url)
        async with slow.transaction():
            await slow.execute("select from leases for update")
            await until(lambda: not lease.held())
            trusted = asyncio.Event()
            lease.on_change(trusted.set)
        await slow.close()

        async with asyncio.timeout(10):
            await trusted.wait()

        assert (lease.held(), lease.term) == (True, 1)


async def _has_read_since(conn: asyncpg.Connection, before: datetime | None) -> bool:
    return await _last_read(conn) != before


async def _last_read(conn: asyncpg.Connection) -> datetime | None:
    at: datetime | None = await conn.fetchval(
        "select max(query_start) from pg_stat_activity"
        " where query like '%with seen%' and state = 'idle' and datname = current_database()"
    )
    return at
