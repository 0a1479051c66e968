"""Failover as an event of its own: a former primary is left, even one that keeps its connections."""

import time
from collections.abc import Iterator

import asyncpg
import pytest

from switchboard.local.cluster.postgres_pair import PRIMARY, STANDBY, PostgresPair
from switchboard.postgres.database import Database, open_database
from switchboard.postgres.standby import StandbyMissing, StandbyRequired
from switchboard.runtime.unavailable import Unavailable
from switchboard.testing import becomes, until
from switchboard.testing.nodes import Nodes, open_nodes
from switchboard.testing.servers import run_directory

pytestmark = pytest.mark.xdist_group("postgres-pair")


@pytest.fixture
def pair_nodes() -> Iterator[Nodes]:
    with open_nodes(run_directory() / f"pair-{time.monotonic_ns()}") as nodes:
        yield nodes


@pytest.fixture
def pair(pair_nodes: Nodes) -> PostgresPair:
    """A primary and its standby, both running."""
    pair = PostgresPair(pair_nodes.stack_dir, pair_nodes.ports, pair_nodes.secrets)
    pair_nodes.start([pair.prepare_primary()], [pair.url_of(PRIMARY)])
    pair_nodes.start([pair.prepare_standby()], [pair.url_of(STANDBY)])
    return pair


async def demote(pair: PostgresPair) -> None:
    """Make the primary read-only without ending its backends, and promote the standby."""
    conn = await asyncpg.connect(pair.url_of(PRIMARY))
    await conn.execute("alter system set default_transaction_read_only = on")
    await conn.execute("select pg_reload_conf()")
    await conn.close()
    pair.promote()


async def host(database: Database) -> str | None:
    """Where a write went; None if it went nowhere."""
    try:
        async with database.transaction() as conn:
            await conn.execute("insert into t values (1)")
            return str(await conn.fetchval("show cluster_name"))
    except Unavailable:
        return None


@pytest.mark.parametrize("reads_first", [True, False])
async def test_no_writer_stays_on_a_demoted_primary(pair: PostgresPair, reads_first: bool) -> None:
    async with open_database(pair.url, application="demo") as database:
        async with database.connection() as conn, database.connection() as another:
            await conn.execute("create table t (n int)")
            await another.execute("insert into t values (1)")

        await demote(pair)

        if reads_first:

            async def read_from_the_new_primary() -> bool:
                async with database.connection() as conn:
                    return bool(await conn.fetchval("show cluster_name") == STANDBY)

            await until(read_from_the_new_primary, within=5)
            assert await host(database) == STANDBY  # no write was refused
        else:
            await becomes(lambda: host(database), STANDBY, within=5)
        assert await host(database) == STANDBY


async def test_a_demoted_server_behind_one_address_is_connected_to_again(pair: PostgresPair) -> None:
    async with open_database(pair.url_of(PRIMARY), application="demo") as database:
        async with database.connection() as conn:
            await conn.execute("create table t (n int)")
            first = conn.get_server_pid()

        await demote(pair)

        assert await until(lambda: _refused(database))
        async with database.connection() as conn:
            assert conn.get_server_pid() != first


async def _refused(database: Database) -> bool:
    return await host(database) is None


async def test_writes_are_refused_without_a_synchronous_standby(pair: PostgresPair, pair_nodes: Nodes) -> None:
    async with open_database(pair.url, application="demo") as database:
        with pytest.raises(StandbyRequired, match="commits wait for no standby"):
            await database.require_standby()

        async with database.connection() as conn:
            await conn.execute("create table t (n int)")
            await conn.execute("alter system set synchronous_standby_names = 'ANY 1 (*)'")
            await conn.execute("select pg_reload_conf()")

        async def is_synchronous() -> bool:
            try:
                await database.require_standby()
            except StandbyRequired:
                return False
            return True

        await until(is_synchronous)
        assert await host(database) == PRIMARY

        pair_nodes.stop(STANDBY)

        async def is_missing() -> bool:
            await database.look_for_standby()
            try:
                database.standby.require()
            except StandbyMissing:
                return True
            return False

        await until(is_missing)
        with pytest.raises(StandbyMissing):
            async with database.transaction():
                pass
        async with database.connection() as conn:
            assert await conn.fetchval("select count(*) from t") == 1

        pair_nodes.restart(STANDBY)
        await until(is_synchronous)
        assert await host(database) == PRIMARY
