"""The pytest fixtures of every service's tests: real servers, and a private part of each for every test.

database_url("conversations")   the URL of a fresh database with that service's tables
amqp_url, vhost                 a fresh virtual host of the broker
product_amqp_url                a virtual host with the product's queues, emptied: for tests that declare no others
redis_url                       an empty logical database
bucket                          the S3_... settings, with a fresh bucket
javascript                      starts the official JavaScript client
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
import redis
import structlog

from switchboard.testing import javascript as under_node
from switchboard.testing.brokers import VirtualHosts
from switchboard.testing.buckets import create_bucket
from switchboard.testing.databases import Databases
from switchboard.testing.servers import NoContainers, PrivateServers, begin_run, end_run, find_servers
from switchboard.testing.stack import RunningStack, find_stack

LOGICAL_DATABASES = 16  # of Redis, to each worker; used in turn


def pytest_configure(config: pytest.Config) -> None:
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,  # the coloured formatter is slow
            structlog.processors.KeyValueRenderer(key_order=["level", "event"]),
        ]
    )
    if not _is_worker(config):
        begin_run()


def pytest_unconfigure(config: pytest.Config) -> None:
    if not _is_worker(config):
        end_run()


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """Restore structlog: a command that runs in the test's process configures it for a captured stream."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


@pytest.fixture(scope="session")
def servers() -> PrivateServers:
    try:
        return find_servers()
    except NoContainers as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def stack() -> RunningStack:
    """A private stack of this run, or the one that SWITCHBOARD_URLS names."""
    return find_stack()


@pytest.fixture(scope="session")
def databases(servers: PrivateServers) -> Iterator[Databases]:
    with contextlib.closing(Databases(servers.database_url)) as databases:
        yield databases


@pytest.fixture
def database_url(databases: Databases) -> Iterator[Callable[[str], str]]:
    """A function that takes the name of a service and returns the URL of a fresh database."""
    made: list[str] = []

    def fresh(service: str) -> str:
        made.append(databases.fresh(service))
        return made[-1]

    yield fresh
    for url in made:
        databases.drop(url)


@pytest.fixture
def empty_database_url(databases: Databases) -> Iterator[str]:
    """A database without tables."""
    url = databases.empty()
    yield url
    databases.drop(url)


@pytest.fixture(scope="session")
def virtual_hosts(servers: PrivateServers) -> VirtualHosts:
    return VirtualHosts(servers.amqp_management_url, servers.amqp_url)


@pytest.fixture(scope="session")
def _cleaner() -> Iterator[ThreadPoolExecutor]:
    """Drops virtual hosts while the next test runs."""
    with ThreadPoolExecutor(1) as pool:
        yield pool


@pytest.fixture
def vhost(virtual_hosts: VirtualHosts, _cleaner: ThreadPoolExecutor) -> Iterator[str]:
    name = virtual_hosts.fresh()
    yield name
    _cleaner.submit(virtual_hosts.drop, name)


@pytest.fixture
def amqp_url(virtual_hosts: VirtualHosts, vhost: str) -> str:
    return virtual_hosts.url(vhost)


@pytest.fixture(scope="session")
def _product_vhost(virtual_hosts: VirtualHosts) -> Iterator[str]:
    name = virtual_hosts.fresh()
    yield name
    virtual_hosts.drop(name)


@pytest.fixture
def product_amqp_url(virtual_hosts: VirtualHosts, _product_vhost: str) -> str:
    """A virtual host with the product's queues, all empty, reused by the tests of a worker.

    Declaring and deleting some forty quorum queues for each test costs RabbitMQ more than a second.
    """
    virtual_hosts.purge(_product_vhost)
    return virtual_hosts.url(_product_vhost)


@pytest.fixture(scope="session")
def _logical_databases() -> Iterator[int]:
    """The numbers of this worker's logical databases, in turn, endlessly."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = 1 + worker * LOGICAL_DATABASES

    def turn() -> Iterator[int]:
        while True:
            yield from range(first, first + LOGICAL_DATABASES)

    return turn()


@pytest.fixture
def redis_url(servers: PrivateServers, _logical_databases: Iterator[int]) -> str:
    url = urlsplit(servers.redis_url)._replace(path=f"/{next(_logical_databases)}").geturl()
    with contextlib.closing(redis.Redis.from_url(url)) as client:
        client.flushdb()
    return url


@pytest.fixture
def bucket(servers: PrivateServers) -> dict[str, str]:
    """The S3_... settings of a fresh, empty bucket."""
    return create_bucket(servers.store)


@pytest.fixture(scope="session")
def javascript() -> under_node.JavaScript:
    """A function that runs the client with a URL, headers and transports."""
    under_node.install()
    return under_node.listening
