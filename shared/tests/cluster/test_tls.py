"""TLS to Postgres, RabbitMQ and Redis: the authority and the client's certificate come from the URL."""

from urllib.parse import urlsplit, urlunsplit

import pytest

from switchboard.local.cluster.certificates import Certificates
from switchboard.local.cluster.postgres_pair import PRIMARY, PostgresPair
from switchboard.local.cluster.rabbitmq_nodes import RabbitMQNodes
from switchboard.local.cluster.redis_nodes import RedisNodes
from switchboard.local.environment import ADMIN
from switchboard.messaging.broker.connection import Broker, BrokerUnavailable
from switchboard.postgres.hosts import Hosts
from switchboard.runtime.redis import RedisUnavailable, check_redis, open_redis
from switchboard.testing import until
from switchboard.testing.nodes import Nodes

pytestmark = pytest.mark.xdist_group("tls")


def without(url: str, *names: str) -> str:
    """The URL without these parameters."""
    parts = urlsplit(url)
    kept = [pair for pair in parts.query.split("&") if pair.partition("=")[0] not in names]
    return urlunsplit(parts._replace(query="&".join(kept)))


async def test_postgres_takes_a_client_with_its_certificate(nodes: Nodes, certificates: Certificates) -> None:
    certificates.give("postgres", "postgres")
    pair = PostgresPair(nodes.stack_dir, nodes.ports, nodes.secrets, certificates)
    url = pair.url_of(PRIMARY)
    nodes.start([pair.prepare_primary()], [url])

    conn = await Hosts(url).connect(timeout=5)
    assert await conn.fetchval("select ssl from pg_stat_ssl where pid = pg_backend_pid()")
    await conn.close()

    with pytest.raises(Exception, match="certificate"):
        await Hosts(without(url, "sslcert", "sslkey")).connect(timeout=5)
    with pytest.raises(Exception, match=r"(?i)certificate|root\.crt"):
        await Hosts(without(url, "sslrootcert")).connect(timeout=5)


async def test_redis_and_sentinel_take_a_client_with_its_certificate(nodes: Nodes, certificates: Certificates) -> None:
    redis = RedisNodes(nodes.stack_dir, nodes.ports, nodes.secrets, replicas=0, sentinels=1, tls=certificates)
    nodes.start(redis.prepare(), [redis.url, redis.url_of("redis-1")])

    for url in (redis.url_of("redis-1"), redis.url):
        async with open_redis(url) as client:

            async def answers(client: object = client) -> bool:
                try:
                    await check_redis(client)  # type: ignore[arg-type]
                except RedisUnavailable:
                    return False
                return True

            await until(answers, description=url)
            assert await client.set("a", "1")

    async with open_redis(without(redis.url_of("redis-1"), "ssl_certfile", "ssl_keyfile")) as client:
        with pytest.raises(RedisUnavailable):
            await check_redis(client)
    async with open_redis(without(redis.url_of("redis-1"), "ssl_ca_certs")) as client:
        with pytest.raises(RedisUnavailable):
            await check_redis(client)


async def test_rabbitmq_takes_a_client_with_its_certificate(nodes: Nodes, certificates: Certificates) -> None:
    rabbitmq = RabbitMQNodes(nodes.stack_dir, nodes.ports, nodes.secrets, count=1, tls=certificates)
    url = rabbitmq.url_of(ADMIN)
    nodes.start(rabbitmq.prepare(), [url])

    broker = Broker(url, "test")
    await broker.check()
    await broker.close()

    for refused in (without(url, "certfile", "keyfile"), without(url, "cafile")):
        broker = Broker(refused, "test")
        with pytest.raises(BrokerUnavailable):
            await broker.check()
        await broker.close()
