"""Fixtures of files' tests. They run on two S3 stores: nanio and moto."""

from collections.abc import AsyncIterator, Callable, Iterator
from uuid import uuid4

import pytest
from moto.server import ThreadedMotoServer

from .client import FilesClient, open_client


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    """The address of moto, which checks no signatures."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["nanio", "moto"])
def store(request: pytest.FixtureRequest) -> dict[str, str]:
    """The settings of an S3 store with a private bucket."""
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
async def client(database_url: Callable[[str], str], store: dict[str, str]) -> AsyncIterator[FilesClient]:
    """An instance that serves HTTP only."""
    async with open_client(database_url("files"), store) as client:
        yield client


@pytest.fixture
async def running_client(
    database_url: Callable[[str], str], amqp_url: str, store: dict[str, str]
) -> AsyncIterator[FilesClient]:
    """An instance with all its loops."""
    async with open_client(database_url("files"), store, amqp_url=amqp_url) as client:
        yield client


@pytest.fixture
async def nanio_client(database_url: Callable[[str], str], bucket: dict[str, str]) -> AsyncIterator[FilesClient]:
    """An instance on nanio, which checks signatures."""
    async with open_client(database_url("files"), bucket) as client:
        yield client
