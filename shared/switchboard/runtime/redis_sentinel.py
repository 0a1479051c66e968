"""A Redis client that follows the primary which Sentinels name.

`redis+sentinel://user:password@one:26379,two:26379/primary/0` has the credentials of the primary. Sentinels with a
password of their own are given it by `?sentinel_password=` and `?sentinel_username=`. `rediss+sentinel://` uses TLS for
both, with `ssl_ca_certs`, `ssl_certfile` and `ssl_keyfile`.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

from redis.asyncio import Redis
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool

from switchboard.runtime.server_urls import name_of_primary, urls_of_hosts

SENTINEL_PORT = 26379
SENTINEL_SECONDS = 0.5  # for the answer of one Sentinel: the next one is asked then

R = TypeVar("R", bound=Redis)


@asynccontextmanager
async def open_sentinel_client(url: str, client_class: type[R], options: Mapping[str, Any]) -> AsyncIterator[R]:
    """The client of the primary. `options`: of its connections. Opens no connection yet."""
    urls = urls_of_hosts(url)
    parts = urlsplit(urls[0])
    name, database = name_of_primary(url)
    query = dict(parse_qsl(parts.query))
    sentinel_user, sentinel_password = query.pop("sentinel_username", None), query.pop("sentinel_password", None)
    tls: dict[str, Any] = {"ssl": True, **query} if parts.scheme.startswith("rediss") else dict(query)
    sentinel_options = {
        **tls,
        "username": sentinel_user,
        "password": sentinel_password,
        "socket_connect_timeout": SENTINEL_SECONDS,
        "socket_timeout": SENTINEL_SECONDS,
        "retry": None,
        "protocol": 2,
    }
    addresses = [(part.hostname or "", part.port or SENTINEL_PORT) for part in map(urlsplit, urls)]
    async with AsyncExitStack() as stack:
        sentinel = Sentinel(addresses, sentinel_kwargs=sentinel_options)  # type: ignore[no-untyped-call]
        stack.push_async_callback(sentinel.aclose)
        client: R = sentinel.master_for(
            name,
            redis_class=client_class,
            connection_pool_class=SentinelConnectionPool,
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            db=database,
            check_connection=True,
            **tls,
            **options,
        )
        stack.push_async_callback(client.aclose)
        yield client
