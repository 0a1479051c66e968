"""Fixtures of auth's tests: a database, and instances of auth behind gateways."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from switchboard.http.identity_keys import new_key, public_set
from switchboard.postgres.database import Database, open_database

from .deployment import Deployment
from .tenant import TenantClient, open_tenant


@pytest.fixture
async def database(database_url: Callable[[str], str]) -> AsyncIterator[Database]:
    async with open_database(database_url("auth"), application="auth") as database:
        yield database


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A folder with the gateways' signing keys, and auth's file of the public ones."""
    key = new_key("test")
    (tmp_path / "private.json").write_text(json.dumps({"keys": [key.as_dict(private=True)]}))
    (tmp_path / "public.json").write_text(json.dumps(public_set([key])))
    return tmp_path


@pytest.fixture
async def deployment(
    keys: Path, database_url: Callable[[str], str], product_amqp_url: str, redis_url: str
) -> AsyncIterator[Deployment]:
    deployment = Deployment(keys, database_url("auth"), product_amqp_url, redis_url)
    yield deployment
    await deployment.close()


@pytest.fixture
async def tenant(deployment: Deployment) -> TenantClient:
    return await open_tenant(deployment)
