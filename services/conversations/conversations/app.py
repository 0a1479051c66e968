"""Composition: everything that conversations is made of."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from conversations.api import routes
from conversations.consumers import subscriptions
from conversations.settings import Settings
from switchboard.messaging.bus import open_bus
from switchboard.runtime.app import App
from switchboard.runtime.database import open_database
from switchboard.runtime.health import Health
from switchboard.runtime.http import http_app
from switchboard.runtime.identity import IdentityVerifier
from switchboard.runtime.identity_keys import Keys, open_keys

NAME = "conversations"


@asynccontextmanager
async def open_app(settings: Settings, *, keys: Keys | None = None) -> AsyncIterator[App]:
    """The service, ready to run. `keys`: a test's own."""
    async with AsyncExitStack() as stack:
        if keys is None:
            keys = await stack.enter_async_context(open_keys(settings.auth_urls))
        database = await stack.enter_async_context(
            open_database(
                settings.database_url,
                application=NAME,
                size=settings.database_pool_size,
                listen_url=settings.database_listen_url,
            )
        )
        bus = await stack.enter_async_context(
            open_bus(settings.amqp_url, service=NAME, instance=settings.app_instance_id)
        )
        loops = [bus.consume(subscriptions(), database), bus.relay(database)]
        health = Health(settings.app_instance_id)
        health.add("database", database.check, ready=True)
        for name, check in bus.checks.items():
            health.add(name, check, ready=False)
        http = http_app(
            NAME,
            routes(database, settings.default_region),
            health=health,
            verifier=IdentityVerifier(NAME, keys),
            database=database,
        )
        yield App(http=http, health=health, loops=loops)
