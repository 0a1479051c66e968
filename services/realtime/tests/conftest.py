"""Fixtures of realtime's tests."""

from collections.abc import AsyncIterator

import pytest

from .cluster import Cluster, open_cluster


@pytest.fixture
async def cluster(product_amqp_url: str, redis_url: str) -> AsyncIterator[Cluster]:
    """A cluster with one instance; `start` adds more."""
    async with open_cluster(product_amqp_url, redis_url) as cluster:
        await cluster.start()
        yield cluster
