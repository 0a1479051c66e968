"""Real instances of the scheduler, as processes that can be killed, and an ear that counts what they send."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import UUID

import aio_pika
import aiohttp
import psutil
from uuid_utils.compat import uuid7

from scheduler.domain.kinds import reminder
from scheduler.domain.recurrence.occurrences import Recurrence
from scheduler.domain.schedules import Misfire, Schedule
from scheduler.store import schedules
from scheduler.workers.health import LEASE
from switchboard.contracts.envelope import Envelope
from switchboard.postgres.database import Database, open_database
from switchboard.testing import until
from switchboard.testing.network import free_port

BROKER_TROUBLE = (aio_pika.exceptions.AMQPError, OSError, TimeoutError)
HEARD = "test.heard"


@dataclass
class Instance:
    """One process. A killed one is started again under the same name."""

    name: str
    port: int
    environment: dict[str, str]
    log: Path
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "scheduler", env=self.environment, stdout=log, stderr=log
            )

    async def end(self, how: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(how)
        return await self.process.wait()

    def signal(self, what: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(what)

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    async def is_up(self) -> bool:
        try:
            patience = aiohttp.ClientTimeout(total=1)
            async with aiohttp.ClientSession(timeout=patience) as client, client.get(self.url("/livez")) as answer:
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def settled(self) -> float:
        """How many occurrences it says it has settled."""
        async with aiohttp.ClientSession() as client, client.get(self.url("/metrics")) as answer:
            lines = (await answer.text()).splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith("scheduler_occurrences_total{"))


@dataclass
class Ear:
    """Hears every `reminder.fire` and `call.place`, and counts by the command's id how often it came."""

    amqp_url: str
    heard: Counter[UUID] = field(default_factory=Counter)
    commands: dict[UUID, dict[str, Any]] = field(default_factory=dict)
    delays: list[float] = field(default_factory=list)
    repeated: list[UUID] = field(default_factory=list)  # came again on the wire, in that order

    async def listen_for_ever(self) -> None:
        """Through restarts of the broker; the queue is durable, so that nothing passes unheard."""
        while True:
            try:
                await self._listen()
            except BROKER_TROUBLE:
                await asyncio.sleep(0.2)

    async def declare(self) -> None:
        async with await aio_pika.connect(self.amqp_url) as connection:
            await self._queue(await connection.channel())

    @property
    def planned(self) -> list[str]:
        """The reminders and calls that were heard of, once for each command however often it came."""
        return sorted(each.get("reminder_id") or each["call_id"] for each in self.commands.values())

    def due_at(self, command_id: UUID) -> datetime:
        command = self.commands[command_id]
        return datetime.fromisoformat(command.get("remind_at") or command["scheduled_at"])

    async def _queue(self, channel: Any) -> Any:
        commands = await channel.declare_exchange("switchboard.commands", aio_pika.ExchangeType.TOPIC, durable=True)
        queue = await channel.declare_queue(HEARD, durable=True, arguments={"x-queue-type": "quorum"})
        for command in ("reminder.fire", "call.place"):
            await queue.bind(commands, command)
        return queue

    async def _listen(self) -> None:
        async with await aio_pika.connect(self.amqp_url, timeout=5) as connection:
            channel = await connection.channel()
            await channel.set_qos(prefetch_count=500)
            async with (await self._queue(channel)).iterator() as messages:
                async for message in messages:
                    envelope = Envelope.decode(message.body)
                    self.heard[envelope.id] += 1
                    if envelope.id in self.commands:
                        self.repeated.append(envelope.id)
                    self.commands[envelope.id] = envelope.data
                    due_at = self.due_at(envelope.id)
                    self.delays.append((datetime.now(UTC) - due_at).total_seconds())
                    await message.ack()


@dataclass
class Fleet:
    """Some instances on one database and broker."""

    database: Database
    instances: dict[str, Instance]
    ear: Ear
    takeovers: list[float] = field(default_factory=list)

    async def leader(self, *, besides: str = "") -> Instance | None:
        """Who holds the lease now, unless its holder is `besides` (name and incarnation)."""
        holder = await self.holder()
        return None if holder is None or holder == besides else self.instances[holder.split("/")[0]]

    async def holder(self) -> str | None:
        async with self.database.connection() as conn:
            statement = "select holder from leases where name = $1 and expires_at > clock_timestamp()"
            holder: str | None = await conn.fetchval(statement, LEASE)
        return holder

    async def replaced(self, holder: str) -> float:
        """Wait until another one leads; seconds that it took."""
        began = monotonic()
        await until(lambda: self.leader(besides=holder), within=20)
        self.takeovers.append(monotonic() - began)
        return self.takeovers[-1]

    async def someone_follows(self, leader: Instance) -> bool:
        """Whether another instance than the leader is up."""
        others = [each for each in self.instances.values() if each is not leader]
        return any([await each.is_up() for each in others])

    async def left(self) -> str:
        """What is still to be fired, and to be sent."""
        async with self.database.connection() as conn:
            due = await conn.fetchval("select count(*) from schedules where kind = 'reminder' and due_at is not null")
            waiting = await conn.fetchval("select count(*) from outbox")
        return f"{due} schedules, {waiting} messages"

    async def cut_off(self, instance: Instance) -> int:
        """Terminate the instance's backends in Postgres; their number."""
        async with self.database.connection() as conn:
            statement = "select pg_terminate_backend(pid) from pg_stat_activity where client_port = any($1::int[])"
            return len(await conn.fetch(statement, _ports(instance)))

    @asynccontextmanager
    async def stopped_at(self, instance: Instance, table: str, statement: str) -> AsyncIterator[None]:
        """Stop the process while its `statement` is under way: a lock on `table` lets that be seen. What happens in
        this block happens before.
        """
        async with self.database.transaction() as conn:
            await conn.execute("set local idle_in_transaction_session_timeout = 0")
            await conn.execute("set local lock_timeout = 0")
            await conn.execute(f"lock table {table} in share mode")
            yield
            waits = """select count(*) from pg_stat_activity
                       where client_port = any($1::int[]) and wait_event_type = 'Lock' and query like $2"""
            await until(lambda: conn.fetchval(waits, _ports(instance), statement + "%"), within=30)
            instance.signal(signal.SIGSTOP)


def _ports(instance: Instance) -> list[int]:
    return [each.laddr.port for each in psutil.Process(instance.pid).net_connections(kind="tcp")]


async def plan_reminders(
    database: Database, times: list[datetime], *, rule: str | None = None, misfire: Misfire = Misfire.FIRE_LATE
) -> list[UUID]:
    """One reminder for each time, past the HTTP interface."""
    made = [
        Schedule(
            id=uuid7(),
            kind=reminder.KIND,
            status=reminder.SCHEDULED,
            next_at=at,
            planned_at=at,
            tenant_id=UUID(int=1),
            user_id=UUID(int=2),
            misfire=misfire,
            recurrence=None if rule is None else Recurrence(rule, "UTC", at.replace(tzinfo=None)),
            payload={"lead_id": "lead", "note": "note", "time_zone": "UTC"},
            created_at=at,
            updated_at=at,
        )
        for at in times
    ]
    async with database.transaction() as conn:
        for each in made:
            await schedules.add_schedule(conn, each)
    return [each.id for each in made]


@asynccontextmanager
async def open_fleet(database_url: str, amqp_url: str, folder: Path, count: int) -> AsyncIterator[Fleet]:
    """`count` instances, started; ended at the end whatever became of them."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(database_url, application="scheduler", size=3))
        ear = Ear(amqp_url)
        await ear.declare()
        listening = asyncio.create_task(ear.listen_for_ever())
        stack.push_async_callback(_cancelled, listening)
        fleet = Fleet(database, {}, ear)
        for n in range(count):
            instance = _instance(f"scheduler-{n}", database_url, amqp_url, folder)
            fleet.instances[instance.name] = instance
            stack.push_async_callback(_end, instance)
            await instance.start()
        await until(fleet.leader, within=60)
        yield fleet


def _instance(name: str, database_url: str, amqp_url: str, folder: Path) -> Instance:
    port = free_port()
    environment = {
        **os.environ,
        "APP_INSTANCE_ID": name,
        "PORT": str(port),
        "DATABASE_URL": database_url,
        "AMQP_URL": amqp_url,
        "AUTH_URLS": "http://127.0.0.1:9",  # nobody asks anything of these over HTTP
        "LOG_LEVEL": "warning",
    }
    return Instance(name, port, environment, folder / f"{name}.log")


async def _cancelled(listening: asyncio.Task[None]) -> None:
    """aio-pika turns some cancellations into errors of its own, and the ear begins anew after those."""
    while not listening.done():
        listening.cancel()
        await asyncio.wait([listening], timeout=1)


async def _end(instance: Instance) -> None:
    if instance.process is not None and instance.process.returncode is None:
        instance.signal(signal.SIGCONT)
        await instance.end(signal.SIGKILL)
