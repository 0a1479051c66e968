"""A cluster of realtime instances in this process, on a real broker and a real Redis."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from aiohttp import web
from aiohttp.test_utils import TestServer
from uuid_utils.compat import uuid7

from realtime.app import open_app
from realtime.consumers import append_to_log
from realtime.log.event_log import EventLog, LogBounds
from realtime.settings import Settings
from switchboard.contracts.envelope import Envelope
from switchboard.contracts.message import Event
from switchboard.http.identity import Identity
from switchboard.http.identity_keys import FixedKeys
from switchboard.messaging.broker.connection import Broker
from switchboard.messaging.outbox.publisher import ConfirmChannel, Publication
from switchboard.messaging.outbox.rows import row_of
from switchboard.runtime.background import LOOPS, Stop, run_loops
from switchboard.runtime.health import Health
from switchboard.runtime.redis import open_redis
from switchboard.testing import until

from .client import Client, read_metric
from .fixtures import ANNA, KEY, TENANT, TOKENS, headers_of


@dataclass
class Instance:
    """One running instance."""

    url: str
    stop: Stop
    running: asyncio.Task[None]
    stack: AsyncExitStack

    async def end(self) -> None:
        """Stop as on SIGTERM."""
        self.stop.set()
        await self.running
        await self.stack.aclose()

    async def sockets(self) -> float:
        """The number of its connections."""
        return await read_metric(self.url, "realtime_sockets")

    async def members(self) -> float:
        """The number of its authenticated connections and long polls."""
        return await read_metric(self.url, "realtime_members")


@dataclass
class Cluster:
    """Any number of instances, and their clients."""

    amqp_url: str
    redis_url: str
    auth_url: str
    log: EventLog
    settings: dict[str, Any]
    instances: list[Instance] = field(default_factory=list)
    clients: list[Client] = field(default_factory=list)
    session_ends: datetime = datetime(2099, 1, 1, tzinfo=UTC)
    """When the sessions end that auth resolves."""

    async def start(self, **settings: Any) -> Instance:
        """Start one more instance."""
        stack = AsyncExitStack()
        chosen = Settings(
            app_instance_id=f"realtime-{len(self.instances) + 1}",
            port=0,
            amqp_url=self.amqp_url,
            redis_url=self.redis_url,
            auth_urls=(self.auth_url,),
            **{**self.settings, **settings},
        )
        app = await stack.enter_async_context(open_app(chosen, keys=FixedKeys([KEY])))
        server = await stack.enter_async_context(TestServer(app.http))
        stop = Stop()
        running = asyncio.create_task(run_loops([*app.loops, *app.http.get(LOOPS, ())], stop))
        app.health.mark_ready()
        await until(lambda: _is_healthy(app.health), description="an instance that consumes")
        self.instances.append(Instance(str(server.make_url("")).rstrip("/"), stop, running, stack))
        return self.instances[-1]

    async def connect(
        self,
        user: Identity | None = ANNA,
        *,
        to: int = 0,
        auth: dict[str, Any] | None = None,
        transports: Sequence[str] = ("websocket",),
        last_event_id: str | None = None,
    ) -> Client:
        """Connect a client, and wait for its `session.ready`."""
        client = Client()
        auth = auth or ({"last_event_id": last_event_id} if last_event_id else None)
        headers = headers_of(user) if user is not None else {}
        await client.socket.connect(
            self.instances[to].url, headers=headers, auth=auth, transports=list(transports), wait_timeout=30
        )
        self.clients.append(client)
        await until(lambda: client.received, description="session.ready")
        return client

    async def publish(self, *events: Event, tenant_id: UUID = TENANT, id: UUID | None = None) -> None:
        """Publish events on the bus in order, one by one, as the outbox relay of an earlier release does."""
        broker = Broker(self.amqp_url, "test")
        try:
            async with broker.channel(confirms=True) as channel:
                for event in events:
                    row = row_of(event, source="conversations", tenant_id=tenant_id, id=id or uuid7())
                    await ConfirmChannel(channel).publish(
                        Publication(row.exchange, row.routing_key, row.body, row.type)
                    )
        finally:
            await broker.close()

    async def append(self, *events: Event, tenant_id: UUID = TENANT) -> None:
        """Append events to the log directly, without the bus."""
        rows = [row_of(event, source="conversations", tenant_id=tenant_id, id=uuid7()) for event in events]
        await append_to_log([Envelope.decode(row.body) for row in rows], self.log)


@asynccontextmanager
async def open_cluster(amqp_url: str, redis_url: str, **settings: Any) -> AsyncIterator[Cluster]:
    """Open a cluster without instances."""
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(open_redis(redis_url))
        cluster = Cluster(amqp_url, redis_url, "", EventLog(redis, LogBounds()), settings)
        auth = await stack.enter_async_context(TestServer(_auth(cluster)))
        cluster.auth_url = str(auth.make_url("")).rstrip("/")
        try:
            yield cluster
        finally:
            for client in cluster.clients:
                with suppress(Exception):
                    await client.socket.disconnect()
            for instance in cluster.instances:
                if not instance.stop.is_set():
                    await instance.end()


async def _is_healthy(health: Health) -> bool:
    healthy, report = await health.report()
    assert healthy, report
    return healthy


def _auth(cluster: Cluster) -> web.Application:
    """A fake of auth: the one internal route that realtime calls."""

    async def resolve(request: web.Request) -> web.Response:
        user = TOKENS.get((await request.json())["token"])
        if user is None:
            return web.json_response({"code": "unauthenticated"}, status=401)
        session = {
            "session_id": str(user.session_id),
            "user_id": str(user.user_id),
            "tenant_id": str(user.tenant_id),
            "role": user.role.value,
            "version": 1,
            "expires_at": cluster.session_ends.isoformat(),
            "tenant": {"status": "trial", "trial_ends_at": None},
        }
        return web.json_response(session)

    app = web.Application()
    app.router.add_post("/internal/sessions/resolve", resolve)
    return app
