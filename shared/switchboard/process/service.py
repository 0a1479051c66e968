"""`open_service`: the connections that a service's settings name, opened once and closed in reverse order.

    @asynccontextmanager
    async def open_app(settings: Settings, *, keys: Keys | None = None) -> AsyncIterator[App]:
        async with open_service("files", settings, keys=keys) as service:
            bucket = await service.enter(open_bucket(settings))
            yield service.app(routes=routes(service.database, bucket), consumers=subscriptions(), workers=[...])

Database, bus, Redis and identity keys are opened for the settings classes that name them, with their health checks and
metrics. A server that is unavailable delays nothing here unless its `open_…` says so.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from aiohttp import web
from redis.asyncio import Redis

from switchboard.http import HttpContext, Route, http_app
from switchboard.http.client import ASK_SECONDS, ServiceClient, open_service_client
from switchboard.http.identity import IdentityVerifier
from switchboard.http.identity_keys import Keys, open_keys
from switchboard.messaging.bus import Bus, open_bus
from switchboard.messaging.inbox.subscriptions import Subscriptions
from switchboard.postgres.database import Database, open_database
from switchboard.process.runner import App
from switchboard.runtime.background import Loop
from switchboard.runtime.health import Check, Health
from switchboard.runtime.metrics import Metrics
from switchboard.runtime.redis import ANSWER_SECONDS, check_redis, open_redis
from switchboard.runtime.settings import BusSettings, DatabaseSettings, IdentitySettings, RedisSettings, ServiceSettings

T = TypeVar("T")


@dataclass
class Service:
    """What one process of a service is built on. Made by `open_service`.

    `database`, `bus`, `redis` and `verifier` raise LookupError where the settings name none.
    """

    name: str
    instance: str
    health: Health
    metrics: Metrics
    _stack: AsyncExitStack
    _database: Database | None = None
    _bus: Bus | None = None
    _redis: Redis | None = None
    _verifier: IdentityVerifier | None = None
    _checks: dict[str, Check] = field(default_factory=dict)

    @property
    def database(self) -> Database:
        """The service's own database."""
        return self._required(self._database, "database")

    @property
    def bus(self) -> Bus:
        """The message bus."""
        return self._required(self._bus, "bus")

    @property
    def redis(self) -> Redis:
        """The Redis client."""
        return self._required(self._redis, "Redis")

    @property
    def verifier(self) -> IdentityVerifier:
        """Checks the identities of requests to this service."""
        return self._required(self._verifier, "identity keys")

    async def enter(self, context: AbstractAsyncContextManager[T]) -> T:
        """Open a resource of the service's own. It is closed before those opened earlier."""
        return await self._stack.enter_async_context(context)

    async def client(self, service: str, urls: Sequence[str], *, within: float = ASK_SECONDS) -> ServiceClient:
        """An HTTP client of another service. `within`: seconds that one instance may take."""
        return await self.enter(open_service_client(service, urls, within=within))

    def app(
        self,
        *,
        routes: Sequence[Route] = (),
        http: web.Application | None = None,
        consumers: Subscriptions | None = None,
        workers: Sequence[Loop] = (),
    ) -> App:
        """The application. `http` replaces the one that is made of `routes`.

        With a database and a bus the outbox relay runs too.
        """
        loops: list[Loop] = []
        if consumers is not None:
            loops.append(self.bus.consume(consumers, self._database))
        if self._bus is not None and self._database is not None:
            loops.append(self._bus.relay(self._database))
        for name, check in (self._bus.checks if self._bus else {}).items():
            self.health.add(name, check, ready=False)
        if http is None:
            http = http_app(self.name, routes, self.http_context())
        return App(http=http, health=self.health, loops=[*loops, *workers])

    def http_context(self) -> HttpContext:
        """What the service's HTTP application is built on."""
        return HttpContext(self.health, self.metrics, verifier=self._verifier, database=self._database)

    def _required(self, resource: T | None, name: str) -> T:
        if resource is None:
            raise LookupError(f"the settings of {self.name} name no {name}")
        return resource


@asynccontextmanager
async def open_service(
    name: str, settings: ServiceSettings, *, keys: Keys | None = None, redis_timeout: float = ANSWER_SECONDS
) -> AsyncIterator[Service]:
    """Open what the settings name. `keys`: verify identities by these instead of those that auth publishes.

    `redis_timeout`: seconds that Redis may take to answer a command.
    """
    instance = settings.app_instance_id
    health = Health(instance)
    async with AsyncExitStack() as stack:
        service = Service(name, instance, health, Metrics(), stack)
        if keys is None and isinstance(settings, IdentitySettings):
            keys = await service.enter(open_keys(settings.auth_urls))
        if keys is not None:
            service._verifier = IdentityVerifier(name, keys)
        if isinstance(settings, DatabaseSettings):
            service._database = await service.enter(
                open_database(
                    settings.database_url,
                    application=name,
                    size=settings.database_pool_size,
                    listen_url=settings.database_listen_url,
                )
            )
            health.add("database", service._database.check, ready=True)
        if isinstance(settings, RedisSettings):
            redis = service._redis = await service.enter(open_redis(settings.redis_url, answer_within=redis_timeout))
            health.add("redis", lambda: check_redis(redis), ready=False)
        if isinstance(settings, BusSettings):
            service._bus = await service.enter(open_bus(settings.amqp_url, service=name, instance=instance))
        yield service
