"""A model of the way from the event log to clients, whose steps a test takes in any order."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import orjson
from redis.asyncio import Redis

from realtime.adapters.session_lookup import SocketSession
from realtime.fanout import CatchUp, Dispatcher
from realtime.fanout.frames import Frame
from realtime.fanout.rooms import RoomMember
from realtime.log.cursors import Cursor
from realtime.log.event_log import EventLog, LogBounds
from realtime.log.subscriber import Subscriber
from switchboard.event_log import StoredEntry
from switchboard.event_log.batches import Batch
from switchboard.runtime.background import Stop
from switchboard.runtime.redis import RedisUnavailable

STEP_SECONDS = 5.0
USER, SESSION = UUID(int=9), UUID(int=8)

_reading: ContextVar["Gate"] = ContextVar("reading")
"""The gate of the client on whose behalf a task reads."""


class Gate:
    """A place where a task waits until the test lets it take its next step."""

    def __init__(self) -> None:
        self._parked: asyncio.Future[None] | None = None
        self._arrived = asyncio.Event()

    async def park(self) -> None:
        self._parked = asyncio.get_running_loop().create_future()
        self._arrived.set()
        try:
            await self._parked
        finally:
            self._parked = None

    @property
    def occupied(self) -> bool:
        return self._parked is not None

    async def step(self, task: asyncio.Task[None], error: Exception | None = None) -> None:
        """Let the task go on, with an error if one is given, until it waits here again or has ended."""
        assert self._parked is not None
        self._arrived.clear()
        if error is None:
            self._parked.set_result(None)
        else:
            self._parked.set_exception(error)
        await self.arrival(task)

    async def arrival(self, task: asyncio.Task[None]) -> None:
        arriving = asyncio.create_task(self._arrived.wait())
        done, _ = await asyncio.wait({arriving, task}, timeout=STEP_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        arriving.cancel()
        assert done, "neither at the gate nor at the end"


class SteppedLog(EventLog):
    """An event log whose readers wait at a gate before and after each read."""

    def __init__(self, redis: Redis, dispatching: Gate) -> None:
        super().__init__(redis, LogBounds())
        self.gate = dispatching
        self.subscriber: SteppedSubscriber | None = None
        """Which waits for the next publication, if one does."""

    @asynccontextmanager
    async def subscribe(self) -> AsyncIterator[Subscriber]:
        await self.gate.park()
        async with super().subscribe() as subscriber:
            yield SteppedSubscriber(subscriber, self)

    async def begin(self) -> Cursor:
        end = await super().begin()
        await self.gate.park()
        return end

    async def read_batches(self, after: int) -> list[Batch]:
        found = await super().read_batches(after)
        await self.gate.park()
        return found

    async def read(self, tenant: UUID, after: int, count: int = 500) -> list[StoredEntry] | None:
        gate = _reading.get()
        await gate.park()
        found = await super().read(tenant, after, count)
        await gate.park()
        return found


class SteppedSubscriber(Subscriber):
    """Hears the next publication when the test says so."""

    def __init__(self, subscriber: Subscriber, log: "SteppedLog") -> None:
        super().__init__(subscriber._connection)
        self._log = log

    async def next(self) -> tuple[bytes, bytes]:
        self._log.subscriber = self
        await self._log.gate.park()
        self._log.subscriber = None
        return await super().next()

    async def has_more(self) -> bool:
        """Whether something was published that it has not heard."""
        for _ in range(3):
            if await self._connection.can_read():
                return True
            await asyncio.sleep(0.001)
        return False


class Instance:
    """One instance of realtime: its dispatcher, one step at a time."""

    def __init__(self, redis: Redis) -> None:
        self.gate = Gate()
        self.log = SteppedLog(redis, self.gate)
        self.dispatcher = Dispatcher(self.log)
        self.catch_up = CatchUp(self.log, self.dispatcher, cursor_every=timedelta(seconds=60))
        self.task = asyncio.create_task(self.dispatcher._keep_dispatching(Stop()))

    @property
    def is_connected(self) -> bool:
        return self.dispatcher._connected.is_set()

    async def step(self, error: Exception | None = None) -> bool:
        """Let it take its next step. False: there is nothing to hear."""
        if error is None and (hearing := self.log.subscriber) is not None and not await hearing.has_more():
            return False
        self.log.subscriber = None
        await self.gate.step(self.task, error)
        assert not self.task.done(), "the dispatcher has ended"
        return True


@dataclass
class Client:
    """A client: it checks that each entry is the next one of its tenant's log after its cursor."""

    tenant: UUID
    positions: list[int]
    """The positions of its tenant's log, kept by the model."""
    cursor: Cursor | None = None
    has_lost: bool = False
    """Whether entries that it has not heard are no longer in the log, so that it has to reload."""
    congested: bool = False
    member: RoomMember | None = None
    instance: Instance | None = None
    task: asyncio.Task[None] | None = None
    gate: Gate = field(default_factory=Gate)
    errors: list[str] = field(default_factory=list)

    async def connect(self, instance: Instance) -> None:
        self.instance = instance
        self.gate = Gate()
        session = SocketSession(USER, self.tenant, SESSION, expires_at=None)
        self.member = await instance.catch_up.admit(session, self)
        self.task = asyncio.create_task(self._resume(self.member, instance))
        await self.gate.arrival(self.task)

    async def _resume(self, member: RoomMember, instance: Instance) -> None:
        _reading.set(self.gate)
        try:
            await instance.catch_up.resume(member, None if self.cursor is None else str(self.cursor))
        except RedisUnavailable:
            instance.catch_up.unregister(member)  # its connection is closed
            self.member = None

    async def disconnect(self) -> None:
        if self.member is not None and self.instance is not None:
            self.instance.catch_up.unregister(self.member)
        self.member = None
        if self.task is not None:
            self.task.cancel()
            await asyncio.wait({self.task})

    @property
    def is_reading(self) -> bool:
        return self.gate.occupied

    async def step(self, error: Exception | None = None) -> None:
        assert self.task is not None
        await self.gate.step(self.task, error)
        if self.task.done():
            self.task.result()

    # what members use of a socket

    def push(self, frame: Frame) -> None:
        name, payload = orjson.loads(frame.wire[frame.wire.index(b"42[") + 2 :])
        if name == "session.ready":
            self.has_lost = self.has_lost and payload["resumed"]
            self.cursor = Cursor.parse(payload["last_event_id"])
            return
        heard = Cursor.parse(payload["event_id"])
        assert heard is not None
        after = self.cursor.position if self.cursor else 0
        expected = next((position for position in self.positions if position > after), None)
        if heard.position != expected:
            self.errors.append(f"heard {heard.position} after {after} instead of {expected}")
        self.cursor = heard

    def forget_log(self) -> None:
        """The log is lost."""
        heard = self.cursor.position if self.cursor else 0
        self.has_lost = self.has_lost or any(position > heard for position in self.positions)

    async def wait_drained(self) -> None:
        return

    def close_soon(self, reason: str) -> None:
        return
