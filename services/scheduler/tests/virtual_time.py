"""A scheduler in virtual time: real database and HTTP API, and a leader that passes through years in seconds."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry

from scheduler.api import routes
from scheduler.consumers import subscriptions
from scheduler.domain.kinds import KINDS
from scheduler.metrics import SchedulerMetrics
from scheduler.store import claims
from scheduler.store.claims import FIRING_LEASE
from scheduler.workers.firing import Firer
from scheduler.workers.health import FiringHealth
from switchboard.contracts.auth import USER_PATH
from switchboard.contracts.envelope import Envelope
from switchboard.contracts.message import Event
from switchboard.http import HttpContext, http_app
from switchboard.http.identity import Identity, Role
from switchboard.postgres.database import Database, open_database
from switchboard.postgres.leader_lease import LeaderLease
from switchboard.replica.user_directory import UserDirectory
from switchboard.runtime.background import Stop
from switchboard.runtime.health import Health
from switchboard.testing import until
from switchboard.testing.app import Answer, call, deliver, verifier
from switchboard.testing.fake_service import FakeService, open_fake_service

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
TENANT = UUID(int=1)
ANNA = Identity(UUID(int=11), TENANT, Role.AGENT, UUID(int=111))
BEN = Identity(UUID(int=12), TENANT, Role.AGENT, UUID(int=112))
CHIEF = Identity(UUID(int=13), TENANT, Role.ADMIN, UUID(int=113))
STRANGER = Identity(UUID(int=21), UUID(int=2), Role.OWNER, UUID(int=211))


class VirtualClock:
    """A clock that a test sets."""

    def __init__(self, at: datetime) -> None:
        self._at = at

    def now(self) -> datetime:
        return self._at

    def set(self, at: datetime) -> None:
        self._at = at


@dataclass
class VirtualScheduler:
    """One instance, which is the leader, at `clock`'s time."""

    database: Database
    clock: VirtualClock
    firer: Firer
    client: TestClient[Any, Any]
    auth: FakeService
    url: str  # of its database

    async def call(
        self, caller: Identity, method: str, path: str, body: Any = None, *, key: str | None = None
    ) -> Answer:
        """One request as `caller`, below `/api/v1`."""
        return await call(self.client, "scheduler", caller, method, path, body, key=key)

    async def advance_to(self, at: datetime) -> None:
        """Let time pass, and fire at each due time."""
        while True:
            async with self.database.connection() as conn:
                due = await claims.find_next_due(conn)
            if due is None or due > at:
                break
            self.clock.set(max(due, self.clock.now()))
            await self.firer.fire_due()
        self.clock.set(at)

    async def advance(self, **length: float) -> None:
        await self.advance_to(self.clock.now() + timedelta(**length))

    async def advance_without_leader(self, **length: float) -> None:
        """Let time pass without a leader, then fire."""
        self.clock.set(self.clock.now() + timedelta(**length))
        await self.firer.fire_due()

    async def published(self, *types: str) -> list[Envelope]:
        """Messages published so far, of these types or all."""
        async with self.database.connection() as conn:
            rows = await conn.fetch("select body from outbox order by id")
        found = [Envelope.decode(row["body"]) for row in rows]
        return [each for each in found if not types or each.type in types]

    async def receive(
        self, event: Event, *, tenant_id: UUID = TENANT, id: UUID | None = None, time: datetime | None = None
    ) -> None:
        """Receive an event, through the inbox and the handler's transaction."""
        at = time or self.clock.now()
        await deliver(subscriptions(self.clock), self.database, event, tenant_id=tenant_id, id=id, at=at)


@asynccontextmanager
async def open_virtual_scheduler(database_url: str, at: datetime = NOON) -> AsyncIterator[VirtualScheduler]:
    """Open an instance that is the leader at the time `at`."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(database_url, application="scheduler", size=5))
        clock = VirtualClock(at)
        lease = LeaderLease(database, FIRING_LEASE, "test")
        counts = SchedulerMetrics(CollectorRegistry(), KINDS)
        firer = Firer(database, lease, clock, KINDS, counts)
        health = Health("test", fresh=0)
        FiringHealth(database, clock, counts).add_to(health)
        health.mark_ready()
        auth = await stack.enter_async_context(
            open_fake_service("auth", USER_PATH, callers="scheduler", database=database)
        )
        http = http_app(
            "scheduler",
            routes(clock, UserDirectory(auth.client), "US"),
            HttpContext(health, verifier=verifier("scheduler"), database=database),
        )
        client = await stack.enter_async_context(TestClient(TestServer(http)))
        stop = Stop()
        leading = asyncio.create_task(lease.run(stop))
        await until(lease.held)
        yield VirtualScheduler(database, clock, firer, client, auth, database_url)
        stop.set()
        await leading
