"""A database of two hosts: connections lead to the one that takes writes, also after it changed."""

import time
from collections.abc import Iterator

import asyncpg
import pytest

from switchboard.local.cluster.postgres_pair import PRIMARY, STANDBY, PostgresPair
from switchboard.local.databases import create_databases, url_for
from switchboard.local.services import BEHIND
from switchboard.postgres.database import open_database
from switchboard.postgres.hosts import Hosts, NoPrimary
from switchboard.postgres.migrations import migrate, scripts_of
from switchboard.runtime.unavailable import Unavailable
from switchboard.testing import becomes, until
from switchboard.testing.nodes import Nodes, open_nodes
from switchboard.testing.servers import run_directory

pytestmark = pytest.mark.xdist_group("postgres-pair")

AUTH = next(service for service in BEHIND if service.name == "auth")


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


async def test_migrations_and_statements_reach_the_primary(pair: PostgresPair) -> None:
    await create_databases(pair.url, {AUTH: "secret"})
    url = url_for(pair.url, AUTH, "secret")

    assert await migrate(scripts_of("auth"), url)
    assert await migrate(scripts_of("auth"), url) == []

    async with open_database(url, application="auth") as database:
        heard: list[bool] = []
        database.on_notify("channel", lambda: heard.append(True))
        async with database.connection() as conn:
            assert await conn.fetchval("show cluster_name") == PRIMARY
        await database.check_writes()
        await until(lambda: heard)  # once, when the channel is subscribed to
        heard.clear()
        async with database.connection() as conn:
            await conn.execute("select pg_notify('channel', '')")
        await until(lambda: heard)


async def test_a_lost_primary_is_left_for_the_promoted_standby(pair: PostgresPair, pair_nodes: Nodes) -> None:
    async with open_database(pair.url, application="demo") as database:

        async def name() -> str | None:
            try:
                async with database.transaction() as conn:
                    await conn.execute("create table if not exists t (n int)")
                    return str(await conn.fetchval("show cluster_name"))
            except Unavailable:
                return None

        assert await name() == PRIMARY

        pair_nodes.stop(PRIMARY)
        assert await name() is None
        pair.promote()

        await becomes(name, STANDBY)


async def test_a_standby_alone_is_no_primary(pair: PostgresPair, pair_nodes: Nodes) -> None:
    pair_nodes.stop(PRIMARY)

    with pytest.raises(NoPrimary, match=r"127\.0\.0\.1:\d+: .*; 127\.0\.0\.1:\d+: "):
        await Hosts(pair.url).connect(timeout=5)

    conn = await Hosts(pair.url_of(STANDBY)).connect(timeout=5)
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await conn.execute("create table t (n int)")
    await conn.close()
