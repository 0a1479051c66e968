"""Composition root of files."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from files.actions.deps import desk_of
from files.adapters.bucket import open_bucket
from files.api.files import routes
from files.consumers import subscriptions
from files.metrics import FilesMetrics
from files.settings import Settings
from files.workers.cleanup import Cleaner
from switchboard.http.identity_keys import Keys
from switchboard.process.runner import App
from switchboard.process.service import open_service


@asynccontextmanager
async def open_app(settings: Settings, *, keys: Keys | None = None) -> AsyncIterator[App]:
    """Open files, ready to run, once there is a bucket. `keys`: see `open_service`."""
    async with open_service("files", settings, keys=keys) as service:
        bucket = await service.enter(open_bucket(settings))
        await bucket.create_if_missing()
        desk = desk_of(settings, service.database, bucket)
        cleaner = Cleaner(desk, FilesMetrics(service.metrics.registry))
        service.health.add("s3", bucket.check, ready=False)
        yield service.app(routes=routes(desk), consumers=subscriptions(cleaner, desk), workers=[cleaner.run])
