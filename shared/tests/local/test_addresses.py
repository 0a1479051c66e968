"""The addresses of private servers: Unix sockets for the services, TCP for everybody else."""

from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from redis.asyncio import Redis

from switchboard.local.ports import Ports
from switchboard.local.rabbitmq import InvalidSchedulers, schedulers_of
from switchboard.local.secrets import Secrets
from switchboard.local.servers import Servers
from switchboard.local.stack_directory import StackDirectory
from switchboard.testing.stack import RunningStack


def servers_in(directory: Path, **external: str) -> Servers:
    stack_dir = StackDirectory(directory)
    stack_dir.create()
    return Servers(stack_dir, Ports.of(stack_dir.root), Secrets.of(stack_dir.secrets), external=external)


def test_a_socket_path_that_is_too_long_is_replaced_by_tcp(tmp_path: Path) -> None:
    short, long = tmp_path / "s", tmp_path / ("l" * 100)

    for directory, host in ((short, None), (long, "127.0.0.1")):
        addresses = servers_in(directory).addresses()
        assert urlsplit(addresses.database_url).hostname == host
        assert urlsplit(addresses.redis_url).hostname == host


def test_external_servers_keep_their_addresses(tmp_path: Path) -> None:
    external = {"DATABASE_URL": "postgresql://db/postgres", "REDIS_URL": "redis://cache"}

    addresses = servers_in(tmp_path, **external).addresses()

    assert (addresses.database_url, addresses.redis_url) == ("postgresql://db/postgres", "redis://cache")


@pytest.mark.parametrize(("given", "threads"), [("", 1), ("4", 4)])
def test_the_brokers_threads_are_a_setting(given: str, threads: int) -> None:
    assert schedulers_of(given) == threads


@pytest.mark.parametrize("given", ["0", "65", "two", "-1"])
def test_a_wrong_number_of_threads_is_refused(given: str) -> None:
    with pytest.raises(InvalidSchedulers, match="BROKER_SCHEDULERS"):
        schedulers_of(given)


@pytest.mark.e2e
@pytest.mark.xdist_group("stack")
@pytest.mark.timeout(400)
async def test_services_reach_private_servers_by_unix_sockets(stack: RunningStack) -> None:
    settings = stack.environment("auth")

    conn = await asyncpg.connect(settings["DATABASE_URL"])
    connected = await conn.fetch(
        "select distinct client_addr from pg_stat_activity"
        " where datname = current_database() and application_name = 'auth'"
    )
    await conn.close()
    redis = Redis.from_url(settings["REDIS_URL"])
    clients = await redis.client_list()
    await redis.aclose()

    assert [row["client_addr"] for row in connected] == [None]
    assert {client["addr"].rpartition(":")[0].startswith("/") for client in clients} == {True}
