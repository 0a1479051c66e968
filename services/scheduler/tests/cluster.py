"""A cluster of real instances of the scheduler, as processes that can be killed."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from time import monotonic
from uuid import UUID

import aiohttp
import psutil
from uuid_utils.compat import uuid7

from scheduler.domain.kinds import reminder
from scheduler.domain.recurrence.occurrences import Recurrence
from scheduler.domain.schedules import Misfire, Schedule
from scheduler.store import schedules
from scheduler.store.claims import FIRING_LEASE
from switchboard.postgres.database import Database, open_database
from switchboard.testing import until
from switchboard.testing.network import free_port

from .command_listener import CommandListener, cancel_listening


@dataclass
class SchedulerProcess:
    """A process of the scheduler. A killed one may be started again under the same name."""

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

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

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
        """How many occurrences it has settled, by its metrics."""
        async with aiohttp.ClientSession() as client, client.get(self.url("/metrics")) as answer:
            lines = (await answer.text()).splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith("scheduler_occurrences_total{"))


@dataclass
class Cluster:
    """Instances on one database and broker."""

    database: Database
    instances: dict[str, SchedulerProcess]
    listener: CommandListener
    takeovers: list[float] = field(default_factory=list)

    async def leader(self, *, besides: str = "") -> SchedulerProcess | None:
        """The leader, unless it is `besides` (name and incarnation)."""
        holder = await self.holder()
        return None if holder is None or holder == besides else self.instances[holder.split("/")[0]]

    async def holder(self) -> str | None:
        async with self.database.connection() as conn:
            statement = "select holder from leases where name = $1 and expires_at > clock_timestamp()"
            holder: str | None = await conn.fetchval(statement, FIRING_LEASE)
        return holder

    async def replaced(self, holder: str) -> float:
        """Wait until another instance is the leader. Returns the seconds that it took."""
        began = monotonic()
        await until(lambda: self.leader(besides=holder), within=20)
        self.takeovers.append(monotonic() - began)
        return self.takeovers[-1]

    async def has_follower(self, leader: SchedulerProcess) -> bool:
        """Whether another instance than the leader is up."""
        others = [each for each in self.instances.values() if each is not leader]
        return any([await each.is_up() for each in others])

    async def left(self) -> str:
        """How many schedules are still to fire, and messages to publish."""
        async with self.database.connection() as conn:
            due = await conn.fetchval("select count(*) from schedules where kind = 'reminder' and due_at is not null")
            waiting = await conn.fetchval("select count(*) from outbox")
        return f"{due} schedules, {waiting} messages"

    async def cut_off(self, instance: SchedulerProcess) -> int:
        """Terminate the instance's backends in Postgres. Returns their number."""
        async with self.database.connection() as conn:
            statement = "select pg_terminate_backend(pid) from pg_stat_activity where client_port = any($1::int[])"
            return len(await conn.fetch(statement, _ports(instance)))

    @asynccontextmanager
    async def stopped_at(self, instance: SchedulerProcess, table: str, statement: str) -> AsyncIterator[None]:
        """Pause the process while it runs `statement`, which a lock on `table` delays. The block runs before."""
        async with self.database.transaction() as conn:
            await conn.execute("set local idle_in_transaction_session_timeout = 0")
            await conn.execute("set local lock_timeout = 0")
            await conn.execute(f"lock table {table} in share mode")
            yield
            waits = """select count(*) from pg_stat_activity
                       where client_port = any($1::int[]) and wait_event_type = 'Lock' and query like $2"""
            await until(lambda: conn.fetchval(waits, _ports(instance), statement + "%"), within=30)
            instance.signal(signal.SIGSTOP)


def _ports(instance: SchedulerProcess) -> list[int]:
    return [each.laddr.port for each in psutil.Process(instance.pid).net_connections(kind="tcp")]


async def plan_reminders(
    database: Database, times: list[datetime], *, rule: str | None = None, misfire: Misfire = Misfire.FIRE_LATE
) -> list[UUID]:
    """Add one reminder for each time, without the HTTP API."""
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
async def open_cluster(database_url: str, amqp_url: str, folder: Path, count: int) -> AsyncIterator[Cluster]:
    """Start `count` instances, and kill them at the end."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(database_url, application="scheduler", size=3))
        listener = CommandListener(amqp_url)
        await listener.declare()
        listening = asyncio.create_task(listener.listen())
        stack.push_async_callback(cancel_listening, listening)
        cluster = Cluster(database, {}, listener)
        for n in range(count):
            instance = _instance(f"scheduler-{n}", database_url, amqp_url, folder)
            cluster.instances[instance.name] = instance
            stack.push_async_callback(_end, instance)
            await instance.start()
        await until(cluster.leader, within=60)
        yield cluster


def _instance(name: str, database_url: str, amqp_url: str, folder: Path) -> SchedulerProcess:
    port = free_port()
    environment = {
        **os.environ,
        "APP_INSTANCE_ID": name,
        "PORT": str(port),
        "DATABASE_URL": database_url,
        "AMQP_URL": amqp_url,
        "AUTH_URLS": "http://127.0.0.1:9",  # not used
        "LOG_LEVEL": "warning",
    }
    return SchedulerProcess(name, port, environment, folder / f"{name}.log")


async def _end(instance: SchedulerProcess) -> None:
    if instance.process is not None and instance.process.returncode is None:
        instance.signal(signal.SIGCONT)
        await instance.end(signal.SIGKILL)
