"""Realtime on a real broker and a real Redis, with any number of instances, seen by Socket.IO clients."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import socketio
from aiohttp import web
from aiohttp.test_utils import TestServer
from joserfc.jwk import OKPKey
from uuid_utils.compat import uuid7

from realtime.app import open_app
from realtime.log.event_log import Bounds, EventLog
from realtime.settings import Settings
from switchboard.contracts.auth import SessionRevoked
from switchboard.contracts.conversations import ConversationRead
from switchboard.contracts.message import Event
from switchboard.http.identity import IDENTITY_HEADER, Identity, IdentitySigner, Role
from switchboard.http.identity_keys import FixedKeys
from switchboard.messaging.broker.connection import Broker
from switchboard.messaging.outbox.publisher import ConfirmChannel
from switchboard.messaging.outbox.rows import row_of
from switchboard.runtime.background import LOOPS, Stop, run_loops
from switchboard.runtime.health import Health
from switchboard.runtime.redis import open_redis
from switchboard.testing import until

TENANT = UUID(int=1)
ANNA = Identity(UUID(int=11), TENANT, Role.AGENT, UUID(int=111))
BEN = Identity(UUID(int=12), TENANT, Role.ADMIN, UUID(int=112))
STRANGER = Identity(UUID(int=21), UUID(int=2), Role.OWNER, UUID(int=211))

KEY = OKPKey.generate_key("Ed25519", parameters={"kid": "test"})
SIGNER = IdentitySigner(KEY)
TOKENS = {"good": ANNA}

MENTIONS = ("presence.changed", "typing")
Heard = tuple[str, dict[str, Any]]


def headers_of(who: Identity) -> dict[str, str]:
    """As the gateway sends them on."""
    return {IDENTITY_HEADER: SIGNER.sign(who, "realtime")}


def read_by(who: Identity, seq: int) -> ConversationRead:
    """An event that only this user sees; they can be told apart by `seq`."""
    return ConversationRead(user_id=who.user_id, contact_phone="+14155550100", seq=seq)


def revoked(who: Identity) -> SessionRevoked:
    return SessionRevoked(session_ids=(who.session_id,), user_id=who.user_id, reason="logout")


class Client:
    """A Socket.IO client that writes down what it hears."""

    def __init__(self, **options: Any) -> None:
        self.socket = socketio.AsyncClient(reconnection=False, **options)
        self.heard: list[Heard] = []
        self.mentions: list[Heard] = []  # presence and typing, which have no place in the log
        self.ended: str | None = None
        self.socket.on("*", self._hear)
        self.socket.on("disconnect", self._end)

    async def _hear(self, name: str, payload: dict[str, Any]) -> None:
        (self.mentions if name in MENTIONS else self.heard).append((name, payload))

    async def _end(self, reason: str) -> None:
        self.ended = reason

    @property
    def ready(self) -> dict[str, Any]:
        return next(payload for name, payload in self.heard if name == "session.ready")

    @property
    def events(self) -> list[dict[str, Any]]:
        return [payload for name, payload in self.heard if "event_id" in payload]

    @property
    def seqs(self) -> list[int]:
        return [event["data"]["seq"] for event in self.events if "seq" in event["data"]]

    @property
    def last_event_id(self) -> str:
        return str(self.events[-1]["event_id"] if self.events else self.ready["last_event_id"])


@dataclass
class Instance:
    """One realtime process's worth, inside of this one."""

    url: str
    stop: Stop
    running: asyncio.Task[None]
    stack: AsyncExitStack

    async def end(self) -> None:
        """As on SIGTERM."""
        self.stop.set()
        await self.running
        await self.stack.aclose()


@dataclass
class World:
    amqp_url: str
    redis_url: str
    auth_url: str
    log: EventLog
    settings: dict[str, Any]
    instances: list[Instance] = field(default_factory=list)
    clients: list[Client] = field(default_factory=list)
    session_ends: datetime = datetime(2099, 1, 1, tzinfo=UTC)  # of whom auth resolves

    async def start(self, **settings: Any) -> Instance:
        """One more instance."""
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
        await until(lambda: _is_well(app.health), what="an instance that consumes")
        self.instances.append(Instance(str(server.make_url("")).rstrip("/"), stop, running, stack))
        return self.instances[-1]

    async def connect(
        self,
        who: Identity | None = ANNA,
        *,
        to: int = 0,
        auth: dict[str, Any] | None = None,
        transports: Sequence[str] = ("websocket",),
        last_event_id: str | None = None,
    ) -> Client:
        """A client that has heard `session.ready`."""
        client = Client()
        auth = auth or ({"last_event_id": last_event_id} if last_event_id else None)
        headers = headers_of(who) if who is not None else {}
        await client.socket.connect(
            self.instances[to].url, headers=headers, auth=auth, transports=list(transports), wait_timeout=30
        )
        self.clients.append(client)
        await until(lambda: client.heard, what="session.ready")
        return client

    async def publish(self, *events: Event, tenant_id: UUID = TENANT, id: UUID | None = None) -> None:
        """On the bus, as another service's relay does, one after the other."""
        broker = Broker(self.amqp_url, "test")
        try:
            async with broker.channel(confirms=True) as channel:
                for event in events:
                    row = row_of(event, source="conversations", tenant_id=tenant_id, id=id or uuid7())
                    await ConfirmChannel(channel).publish(
                        row.exchange, row.routing_key, row.body, type=row.type, event_id=row.event_id
                    )
        finally:
            await broker.close()

    async def append(self, *events: Event, tenant_id: UUID = TENANT) -> None:
        """Straight to the log, past the bus."""
        from realtime.consumers import append_to_log
        from switchboard.contracts.envelope import Envelope

        rows = [row_of(event, source="conversations", tenant_id=tenant_id, id=uuid7()) for event in events]
        await append_to_log([Envelope.decode(row.body) for row in rows], self.log)


@asynccontextmanager
async def open_world(amqp_url: str, redis_url: str, **settings: Any) -> AsyncIterator[World]:
    """Without an instance yet."""
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(open_redis(redis_url))
        world = World(amqp_url, redis_url, "", EventLog(redis, Bounds()), settings)
        auth = await stack.enter_async_context(TestServer(_auth(world)))
        world.auth_url = str(auth.make_url("")).rstrip("/")
        try:
            yield world
        finally:
            for client in world.clients:
                with suppress(Exception):
                    await client.socket.disconnect()
            for instance in world.instances:
                if not instance.stop.is_set():
                    await instance.end()


async def _is_well(health: Health) -> bool:
    healthy, report = await health.report()
    assert healthy, report
    return healthy


def _auth(world: World) -> web.Application:
    """Auth's part of the contract, as far as realtime uses it."""

    async def resolve(request: web.Request) -> web.Response:
        who = TOKENS.get((await request.json())["token"])
        if who is None:
            return web.json_response({"code": "unauthenticated"}, status=401)
        session = {
            "session_id": str(who.session_id),
            "user_id": str(who.user_id),
            "tenant_id": str(who.tenant_id),
            "role": who.role.value,
            "version": 1,
            "expires_at": world.session_ends.isoformat(),
            "tenant": {"status": "trial", "trial_ends_at": None},
        }
        return web.json_response(session)

    app = web.Application()
    app.router.add_post("/internal/sessions/resolve", resolve)
    return app
