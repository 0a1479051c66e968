"""Composition root of the scheduler."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from scheduler.api import routes
from scheduler.consumers import subscriptions
from scheduler.domain.clock import Clock, SystemClock
from scheduler.settings import Settings
from scheduler.workers import workers
from switchboard.process import App, Keys, open_service
from switchboard.replica.user_directory import UserDirectory


@asynccontextmanager
async def open_app(settings: Settings, *, keys: Keys | None = None, clock: Clock | None = None) -> AsyncIterator[App]:
    """Open the scheduler, ready to run. Tests give their own `keys` and `clock`."""
    clock = clock or SystemClock()
    async with open_service("scheduler", settings, keys=keys) as service:
        users = UserDirectory(await service.client("auth", settings.auth_urls))
        yield service.app(
            routes=routes(clock, users, settings.default_region),
            consumers=subscriptions(clock),
            workers=workers(service, settings, clock),
        )
