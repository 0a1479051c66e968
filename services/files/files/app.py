"""Where files is put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from files.actions.deletion import erase_bytes
from files.actions.deps import Desk
from files.adapters.bucket import Bucket, open_bucket
from files.adapters.memory_budget import Room
from files.api.files import routes
from files.consumers import DELETIONS, subscriptions
from files.metrics import FilesMetrics
from files.settings import Settings
from files.workers.cleanup import Cleaner
from switchboard.http import http_app
from switchboard.http.identity import IdentityVerifier
from switchboard.http.identity_keys import Keys, open_keys
from switchboard.messaging.bus import open_bus
from switchboard.postgres.database import Database, open_database
from switchboard.process.main import App
from switchboard.runtime.health import Health
from switchboard.runtime.metrics import Metrics

NAME = "files"


@asynccontextmanager
async def open_app(settings: Settings, *, keys: Keys | None = None) -> AsyncIterator[App]:
    """The whole service; it waits until there is a bucket. `keys`: in place of those that auth publishes."""
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
        bucket = await stack.enter_async_context(open_bucket(settings))
        await bucket.create_if_missing()

        desk = desk_of(settings, database, bucket)
        metrics = Metrics()
        cleaner = Cleaner(desk, FilesMetrics(metrics.registry))
        loops = [
            bus.consume(subscriptions(cleaner), database),
            bus.consume_batches(NAME, DELETIONS, partial(erase_bytes, desk=desk), desk.check),
            bus.relay(database),
            cleaner.run,
        ]
        health = Health(settings.app_instance_id)
        health.add("database", database.check, ready=True)
        health.add("s3", bucket.check, ready=False)
        for name, check in bus.checks.items():
            health.add(name, check, ready=False)
        http = http_app(
            NAME,
            routes(desk),
            database=database,
            verifier=IdentityVerifier(NAME, keys),
            health=health,
            metrics=metrics,
        )
        yield App(http=http, health=health, loops=loops)


def desk_of(settings: Settings, database: Database, bucket: Bucket) -> Desk:
    """What the actions work on."""
    return Desk(
        database,
        bucket,
        settings.max_upload_bytes,
        settings.upload_lifetime,
        settings.download_lifetime,
        Room(settings.upload_memory_bytes),
        settings.s3_through_gateway,
    )
