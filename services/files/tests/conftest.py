"""Fixtures of files' tests: each runs against nanio, and against moto as a second S3."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from uuid import uuid4

import pytest
from moto.server import ThreadedMotoServer

from .world import World, open_world


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    """Its address. It checks no signatures."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["nanio", "moto"])
def store(request: pytest.FixtureRequest) -> dict[str, str]:
    """The settings of an S3 store with a bucket of the test's own."""
    if request.param == "nanio":
        found: dict[str, str] = request.getfixturevalue("bucket")
        return found
    return {
        "S3_ENDPOINT": request.getfixturevalue("moto"),
        "S3_REGION": "us-east-1",
        "S3_ACCESS_KEY": "test",
        "S3_SECRET_KEY": "test",
        "S3_BUCKET": f"test-{uuid4().hex[:12]}",
        "S3_FORCE_PATH_STYLE": "true",
    }


@pytest.fixture
async def world(database_url: Callable[[str], str], store: dict[str, str]) -> AsyncIterator[World]:
    """An instance that answers, and consumes nothing."""
    async with open_world(database_url("files"), store) as world:
        yield world


@pytest.fixture
async def working(database_url: Callable[[str], str], amqp_url: str, store: dict[str, str]) -> AsyncIterator[World]:
    """An instance with all its loops."""
    async with open_world(database_url("files"), store, amqp_url=amqp_url) as world:
        yield world


@pytest.fixture
async def strict(database_url: Callable[[str], str], bucket: dict[str, str]) -> AsyncIterator[World]:
    """On a store that checks signatures."""
    async with open_world(database_url("files"), bucket) as world:
        yield world
