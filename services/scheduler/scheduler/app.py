"""Composition root of the scheduler."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from scheduler.api import routes
from scheduler.consumers import subscriptions
from scheduler.domain.clock import Clock, SystemClock
from scheduler.domain.kinds import KINDS
from scheduler.metrics import SchedulerMetrics
from scheduler.settings import Settings
from scheduler.workers.firing import Leader
from scheduler.workers.firing_loop import Clockwork
from scheduler.workers.health import LEASE, LOOK_SECONDS, Timekeeping
from scheduler.workers.housekeeping import housekeeping
from switchboard.http.identity_keys import Keys
from switchboard.postgres.leader_lease import LeaderLease
from switchboard.process.runner import App
from switchboard.process.service import open_service
from switchboard.replica.user_directory import UserDirectory
from switchboard.runtime.background import repeat


@asynccontextmanager
async def open_app(settings: Settings, *, keys: Keys | None = None, clock: Clock | None = None) -> AsyncIterator[App]:
    """Open the scheduler, ready to run. `keys`: see `open_service`. `clock`: a test's own."""
    clock = clock or SystemClock()
    async with open_service("scheduler", settings, keys=keys) as service:
        users = UserDirectory(await service.client("auth", settings.auth_urls))
        database = service.database
        counts = SchedulerMetrics(service.metrics.registry)
        lease = LeaderLease(
            database,
            LEASE,
            service.instance,
            ttl=settings.lease_ttl.total_seconds(),
            margin=settings.lease_margin.total_seconds(),
            renew_every=settings.lease_renew_every.total_seconds(),
        )
        leader = Leader(database, lease, clock, KINDS, counts, settings.late_after)
        timekeeping = Timekeeping(database, clock, counts)
        timekeeping.report_to(service.health)
        yield service.app(
            routes=routes(clock, settings.default_region, users),
            consumers=subscriptions(clock),
            workers=[
                lease.run,
                Clockwork(database, lease, leader, counts).run,
                repeat(timekeeping.look, every=LOOK_SECONDS),
                housekeeping(database, clock),
            ],
        )
