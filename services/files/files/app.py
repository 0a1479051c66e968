"""Composition root of files."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from files.actions.deps import FileDeps
from files.adapters.bucket import open_bucket
from files.api import routes
from files.consumers import subscriptions
from files.metrics import FilesMetrics, UploadMetrics
from files.settings import Settings
from files.workers.cleanup import CleanupWorker
from switchboard.process import App, Keys, open_service


@asynccontextmanager
async def open_app(settings: Settings, *, keys: Keys | None = None) -> AsyncIterator[App]:
    """Open files, ready to run, and create its bucket. `keys`: see `open_service`."""
    async with open_service("files", settings, keys=keys) as service:
        bucket = await service.enter(open_bucket(settings))
        await bucket.create_if_missing()
        service.health.add("s3", bucket.check, ready=False)
        uploads = UploadMetrics(service.metrics.registry)
        service.database.on_published(uploads.count)
        deps = FileDeps.of(settings, service.database, bucket)
        cleanup = CleanupWorker(deps, FilesMetrics(service.metrics.registry))
        consumers = subscriptions(deps, cleanup.request)
        yield service.app(routes=routes(deps, settings, uploads), consumers=consumers, workers=[cleanup.run])
