"""Composition of a service: `open_service` opens the connections that its settings name, and closes them in reverse.

    @asynccontextmanager
    async def open_app(settings: Settings, *, keys: Keys | None = None) -> AsyncIterator[App]:
        async with open_service("files", settings, keys=keys) as service:
            bucket = await service.enter(open_bucket(settings))
            yield service.app(routes=routes(service.database, bucket), consumers=subscriptions(), workers=[...])

A service's settings class says which connections it has: a `DatabaseSettings` has a database, a `BusSettings` the
message bus, and so on. Each comes with its health check. A server that is unavailable does not delay the start, unless
the service itself waits for it.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from aiohttp import web

from switchboard.http import HttpContext, Route, http_app
from switchboard.http.client import REQUEST_SECONDS, ServiceClient, open_service_client
from switchboard.http.identity import IdentityVerifier
from switchboard.http.identity_keys import Keys, open_keys
from switchboard.messaging.bus import Bus, open_bus
from switchboard.messaging.inbox.subscriptions import Subscriptions
from switchboard.postgres import standby
from switchboard.postgres.database import Database, observe_pool, open_database
from switchboard.process.runner import App
from switchboard.runtime.background import Loop, repeat
from switchboard.runtime.health import Health
from switchboard.runtime.metrics import Metrics
from switchboard.runtime.pinned_data import data_versions, show_data_versions
from switchboard.runtime.settings import BusSettings, DatabaseSettings, IdentitySettings, RedisSettings, ServiceSettings

if TYPE_CHECKING:
    from redis.asyncio import Redis

T = TypeVar("T")


@dataclass
class Service:
    """The connections of one process. Made by `open_service`.

    `database`, `bus`, `redis` and `verifier` raise LookupError where the settings class has no settings for them.
    """

    name: str
    settings: ServiceSettings
    health: Health
    metrics: Metrics = field(default_factory=Metrics)
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _database: Database | None = None
    _bus: Bus | None = None
    _redis: "Redis | None" = None
    _verifier: IdentityVerifier | None = None

    @property
    def instance(self) -> str:
        return self.settings.app_instance_id

    @property
    def database(self) -> Database:
        return self._required(self._database, "database")

    @property
    def bus(self) -> Bus:
        return self._required(self._bus, "message bus")

    @property
    def redis(self) -> "Redis":
        return self._required(self._redis, "Redis")

    @property
    def verifier(self) -> IdentityVerifier:
        return self._required(self._verifier, "identity keys")

    async def enter(self, context: AbstractAsyncContextManager[T]) -> T:
        """Open another resource. It is closed with the service, before those that were opened earlier."""
        return await self._stack.enter_async_context(context)

    async def client(self, service: str, urls: Sequence[str], *, within: float = REQUEST_SECONDS) -> ServiceClient:
        """Open an HTTP client for another service. `within`: seconds that one instance may take to answer."""
        return await self.enter(open_service_client(service, urls, within=within))

    def app(
        self,
        *,
        routes: Sequence[Route] = (),
        http: web.Application | None = None,
        consumers: Subscriptions | None = None,
        workers: Sequence[Loop] = (),
    ) -> App:
        """Compose the application: HTTP routes, consumers, outbox relay (with a database and a bus) and workers.

        `http`: an application instead of one made of `routes`.
        """
        loops = [*self._messaging(consumers), *workers]
        if self._database is not None and self._database.standby.required:
            loops.append(repeat(self._database.look_for_standby, every=standby.WATCH_SECONDS))
        if http is None:
            context = HttpContext(self.health, self.metrics, verifier=self._verifier, database=self._database)
            http = http_app(self.name, routes, context)
        return App(http=http, health=self.health, loops=loops)

    def _messaging(self, consumers: Subscriptions | None) -> list[Loop]:
        loops: list[Loop] = []
        if consumers is not None:
            loops.append(self.bus.consume(consumers, self._database))
        if self._bus is None:
            return loops
        if self._database is not None:
            loops.append(self._bus.relay(self._database))
        for name, check in self._bus.checks.items():
            self.health.add(name, check, ready=False)
        return loops

    def _required(self, resource: T | None, name: str) -> T:
        if resource is None:
            raise LookupError(f"the settings of {self.name} have no {name}")
        return resource


@asynccontextmanager
async def open_service(
    name: str, settings: ServiceSettings, *, keys: Keys | None = None, redis_timeout: float | None = None
) -> AsyncIterator[Service]:
    """Open the connections that the settings name.

    `keys`: verify identities by these instead of the keys that auth publishes. `redis_timeout`: seconds that Redis may
    take to answer a command.
    """
    async with AsyncExitStack() as stack:
        service = Service(name, settings, Health(settings.app_instance_id), _stack=stack)
        service.health.add_details("data", data_versions)
        show_data_versions(service.metrics.registry)
        if keys is None and isinstance(settings, IdentitySettings):
            keys = await service.enter(open_keys(settings.auth_urls))
        if keys is not None:
            service._verifier = IdentityVerifier(name, keys)
        if isinstance(settings, DatabaseSettings):
            await _open_database(service, settings)
        if isinstance(settings, RedisSettings):
            await _open_redis(service, settings, redis_timeout)
        if isinstance(settings, BusSettings):
            registry = service.metrics.registry
            service._bus = await service.enter(
                open_bus(settings.amqp_url, service=name, instance=service.instance, metrics=registry)
            )
        yield service


async def _open_database(service: Service, settings: DatabaseSettings) -> None:
    service._database = database = await service.enter(
        open_database(
            settings.database_url,
            application=service.name,
            size=settings.database_pool_size,
            listen_url=settings.database_listen_url,
        )
    )
    service.health.add("database", database.check, ready=True)
    if settings.require_synchronous_standby:
        await database.require_standby()
        service.health.add("standby", database.standby.check, ready=False)
    observe_pool(database, service.metrics.registry)


async def _open_redis(service: Service, settings: RedisSettings, timeout: float | None) -> None:
    # Imported here: the Redis client takes half a second, for it loads the OpenTelemetry SDK.
    from switchboard.runtime.redis import ANSWER_SECONDS, check_redis, open_redis

    service._redis = redis = await service.enter(
        open_redis(settings.redis_url, answer_within=timeout or ANSWER_SECONDS)
    )
    service.health.add("redis", lambda: check_redis(redis), ready=False)
