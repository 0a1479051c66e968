"""Redis through Sentinels: the client follows the primary."""

import signal
from typing import Any

import pytest
from redis.asyncio import Redis

from switchboard.local.cluster.redis_nodes import PRIMARY, RedisNodes
from switchboard.runtime.redis import RedisUnavailable, open_redis
from switchboard.testing import becomes, until
from switchboard.testing.nodes import Nodes

pytestmark = [pytest.mark.xdist_group("sentinel"), pytest.mark.slow]


@pytest.fixture(scope="module")
def redis(nodes: Nodes) -> RedisNodes:
    redis = RedisNodes(nodes.stack_dir, nodes.ports, nodes.secrets)
    nodes.start(redis.prepare(), [redis.url, *(redis.url_of(name) for name in redis.names)])
    return redis


async def port_of_primary(client: Redis) -> int | None:
    """The port of the node that took a write; None if none did."""
    try:
        await client.set("a", "1")
        return int((await client.config_get("port"))["port"] or 0)
    except RedisUnavailable:
        return None


@pytest.mark.parametrize("how", ["killed", "frozen"])
async def test_a_lost_primary_is_left_for_the_promoted_replica(how: str, redis: RedisNodes, nodes: Nodes) -> None:
    async with open_redis(redis.url) as client:

        async def known_replicas() -> bool:
            """Whether every Sentinel would find a replica to promote."""
            for name in redis.sentinel_names:
                async with Redis(port=nodes.ports.get(name)) as sentinel:
                    state: Any = await sentinel.sentinel_master(PRIMARY)
                    if state["num-slaves"] < 1 or state["num-other-sentinels"] < 2 or state["is_sdown"]:
                        return False
            return True

        first = await until(lambda: port_of_primary(client))
        await until(known_replicas)
        name = next(name for name in redis.names if nodes.ports.get(name) == first)

        async def another() -> bool:
            return await port_of_primary(client) not in (None, first)

        if how == "killed":
            nodes.stop(name)
        else:
            nodes.send(name, signal.SIGSTOP)
        await until(another)
        if how == "killed":
            nodes.restart(name)
        else:
            nodes.send(name, signal.SIGCONT)

        # The former primary comes back as a replica.
        await becomes(lambda: _replicas(client), 1)


async def _replicas(client: Redis) -> int:
    return int((await client.info("replication"))["connected_slaves"])
