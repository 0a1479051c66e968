"""Run one instance of the scheduler, and measure how late each of its commands arrives on the bus."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import time
from typing import Any

import aio_pika
import asyncpg
import orjson
import psutil

from switchboard.testing.network import free_port

PLAN = """
insert into schedules (id, kind, status, next_at, planned_at, tenant_id, user_id, payload)
select gen_random_uuid(), $4, 'scheduled', at, at, gen_random_uuid(), gen_random_uuid(),
       '{"lead_id": "lead", "note": "note", "time_zone": "UTC", "contact_phone": "+14155550100"}'
from (select $1::timestamptz + make_interval(secs => $2::float8 * n / $3::int) as at
      from generate_series(0, $3::int - 1) n) due
"""
COMMANDS = {"reminder": "reminder.fire", "call": "call.place"}
DUE = {"reminder": "remind_at", "call": "scheduled_at"}


@dataclass
class Ours:
    """A running instance of the scheduler, and the delays of its commands."""

    conn: asyncpg.Connection
    process: psutil.Process
    late: list[float] = field(default_factory=list)
    arrived: list[float] = field(default_factory=list)

    async def plan(self, count: int, begin: datetime, spread: float, kind: str = "reminder") -> None:
        self.late.clear()
        self.arrived.clear()
        await self.conn.execute(PLAN, begin, spread, count, kind, timeout=300)
        await self.conn.execute("analyze schedules")
        await self.conn.execute("select pg_notify('schedules', '')")

    async def all_heard(self, count: int, within: float = 120) -> None:
        async with asyncio.timeout(within):
            while len(self.late) < count:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    def hear(self, message: Any) -> None:
        now = time()
        data = orjson.loads(message.body)["data"]
        due = data.get("remind_at") or data["scheduled_at"]
        self.late.append(now - datetime.fromisoformat(due).timestamp())
        self.arrived.append(now)


@asynccontextmanager
async def open_ours(database_url: str, amqp_url: str) -> AsyncIterator[Ours]:
    """Start an instance, wait until it is the leader, and subscribe to its commands."""
    port = str(free_port())
    environment = {
        **os.environ,
        "PORT": port,
        "DATABASE_URL": database_url,
        "AMQP_URL": amqp_url,
        "AUTH_URLS": "http://127.0.0.1:9",
        "LOG_LEVEL": "warning",
    }
    child = await asyncio.create_subprocess_exec(sys.executable, "-m", "scheduler", env=environment)
    try:
        ours = Ours(await asyncpg.connect(database_url), psutil.Process(child.pid))
        async with asyncio.timeout(60):
            while not await ours.conn.fetchval("select count(*) from leases where name = 'scheduler'"):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        async with await aio_pika.connect(amqp_url) as connection:
            await _listen(await connection.channel(), ours)
            yield ours
        await ours.conn.close()
    finally:
        child.terminate()
        await child.wait()


async def _listen(channel: Any, ours: Ours) -> None:
    await channel.set_qos(prefetch_count=2000)
    commands = await channel.declare_exchange("switchboard.commands", aio_pika.ExchangeType.TOPIC, durable=True)
    queue = await channel.declare_queue("bench", durable=True, arguments={"x-queue-type": "quorum"})
    for key in COMMANDS.values():
        await queue.bind(commands, key)

    async def hear(message: Any) -> None:
        ours.hear(message)

    await queue.consume(hear, no_ack=True)


def cpu(process: psutil.Process) -> float:
    """Return the CPU seconds used so far."""
    times = process.cpu_times()
    return float(times.user + times.system)


def now() -> datetime:
    return datetime.now(UTC)
