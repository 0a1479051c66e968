"""Composition: everything the scheduler is made of."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

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
from switchboard.http import http_app
from switchboard.http.client import open_service_client
from switchboard.http.identity import IdentityVerifier
from switchboard.http.identity_keys import Keys, open_keys
from switchboard.messaging.bus import open_bus
from switchboard.postgres.database import Database, open_database
from switchboard.postgres.leader_lease import LeaderLease
from switchboard.process.main import App
from switchboard.runtime.background import repeat
from switchboard.runtime.health import Health
from switchboard.runtime.metrics import Metrics

NAME = "scheduler"


@asynccontextmanager
async def open_app(settings: Settings, *, keys: Keys | None = None, clock: Clock | None = None) -> AsyncIterator[App]:
    """The scheduler, ready to run. `keys`, `clock`: a test's own."""
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        if keys is None:
            keys = await stack.enter_async_context(open_keys(settings.auth_urls))
        auth = await stack.enter_async_context(open_service_client("auth", settings.auth_urls))
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
        metrics = Metrics()
        counts = SchedulerMetrics(metrics.registry)
        lease = lease_of(settings, database)
        leader = Leader(database, lease, clock, KINDS, counts, settings.late_after)
        consuming, relaying = bus.consume(subscriptions(clock), database), bus.relay(database)
        health = Health(settings.app_instance_id)
        health.add("database", database.check, ready=True)
        for name, check in bus.checks.items():
            health.add(name, check, ready=False)
        timekeeping = Timekeeping(database, clock, counts)
        timekeeping.report_to(health)
        verifier = IdentityVerifier(NAME, keys)
        http = http_app(
            NAME,
            routes(clock, settings.default_region, auth),
            health=health,
            verifier=verifier,
            database=database,
            metrics=metrics,
        )
        clockwork = Clockwork(database, lease, leader, counts)
        yield App(
            http=http,
            health=health,
            loops=[
                lease.run,
                clockwork.run,
                repeat(timekeeping.look, every=LOOK_SECONDS),
                housekeeping(database, clock),
                consuming,
                relaying,
            ],
        )


def lease_of(settings: Settings, database: Database) -> LeaderLease:
    """This instance's claim to lead."""

    def seconds(length: timedelta) -> float:
        return length.total_seconds()

    return LeaderLease(
        database,
        LEASE,
        settings.app_instance_id,
        ttl=seconds(settings.lease_ttl),
        margin=seconds(settings.lease_margin),
        renew_every=seconds(settings.lease_renew_every),
    )
