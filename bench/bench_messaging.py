"""Benchmark messaging: the outbox relay, the consumer with the inbox, and the latency from commit to handler.

`python -m bench.bench_messaging [--quick]`. The relay is compared with aio-pika alone, publishing the same messages
concurrently: the most that it could reach.
"""

import asyncio
import logging
import resource
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter, time
from typing import Any
from uuid import UUID, uuid4

import aio_pika
import structlog
import uvloop
from rich.table import Table

from switchboard.contracts.consumers import Subscription
from switchboard.contracts.conversations import ConversationRead
from switchboard.messaging.bus import Bus, open_bus
from switchboard.messaging.inbox.subscriptions import Subscriptions
from switchboard.messaging.outbox.unit_of_work import Work, open_work
from switchboard.messaging.schema import MESSAGING_TABLES
from switchboard.postgres.database import Database, open_database
from switchboard.runtime.background import Loop, Stop
from switchboard.runtime.terminal import Terminal
from switchboard.testing.brokers import VirtualHosts
from switchboard.testing.databases import Databases
from switchboard.testing.servers import begin_run, end_run, find_servers
from switchboard.testing.waiting import until

REGISTRY = (Subscription("conversations", "events", (ConversationRead,)),)
TENANT = UUID(int=1)
SUBJECTS = 500


def message(n: int) -> ConversationRead:
    return ConversationRead(user_id=UUID(int=n % SUBJECTS), contact_phone="+14155550100", seq=n)


async def write(database: Database, count: int) -> None:
    for first in range(0, count, 200):
        async with open_work(database, tenant_id=TENANT) as work:
            for n in range(first, first + 200):
                await work.publish(message(n))


@asynccontextmanager
async def running(loop: Loop) -> AsyncIterator[None]:
    stop = Stop()
    task = asyncio.ensure_future(loop(stop))
    try:
        yield
    finally:
        stop.set()
        await task


async def waiting(database: Database) -> int:
    return int(await database.pool.fetchval("select count(*) from outbox"))


async def relay(database: Database, bus: Bus, count: int) -> float:
    """Measure the relay's rows/s, without the wait for the lease."""
    await write(database, count)
    async with running(bus.relay(database)):

        async def begun() -> bool:
            return await waiting(database) < count

        async def empty() -> bool:
            return await waiting(database) == 0

        await until(begun, within=60)
        left, began = await waiting(database), perf_counter()
        await until(empty, within=300)
        return left / (perf_counter() - began)


async def publish_directly(amqp_url: str, count: int) -> float:
    """Measure aio-pika alone: publish to one quorum queue, as many messages at once as the relay has subjects."""
    async with await aio_pika.connect(amqp_url) as connection:
        channel = await connection.channel()
        arguments: dict[str, Any] = {"x-queue-type": "quorum"}
        queue = await channel.declare_queue("bench.straight", durable=True, arguments=arguments)
        numbers = iter(range(count))

        async def publish() -> None:
            for _ in numbers:
                raw = aio_pika.Message(b"x" * 500, delivery_mode=2, message_id=uuid4().hex)
                await channel.default_exchange.publish(raw, queue.name)

        began = perf_counter()
        await asyncio.gather(*(publish() for _ in range(SUBJECTS)))
        return count / (perf_counter() - began)


async def consume(database: Database, bus: Bus, count: int) -> float:
    """Measure the consumer's messages/s from a full queue, in transactions with their inbox rows."""
    seen = 0

    async def handle(_: ConversationRead, work: Work) -> None:
        nonlocal seen
        seen += 1

    began = perf_counter()
    async with running(bus.consume(table(handle), database)):
        await until(lambda: seen > 0, within=60)
        began, before = perf_counter(), seen
        await until(lambda: seen >= count, within=300)
        return (seen - before) / (perf_counter() - began)


async def run_all(database: Database, bus: Bus, count: int) -> float:
    """Measure messages/s that are written, relayed and handled concurrently in this process."""
    seen = 0

    async def handle(_: ConversationRead, work: Work) -> None:
        nonlocal seen
        seen += 1

    async with running(bus.relay(database)), running(bus.consume(table(handle), database)):
        await write(database, 200)
        await until(lambda: seen >= 200, within=60)
        began = perf_counter()
        await write(database, count)
        await until(lambda: seen >= 200 + count, within=300)
        return count / (perf_counter() - began)


async def latency(database: Database, bus: Bus, count: int, each: int = 1) -> tuple[float, float]:
    """Measure milliseconds from commit to handler, p50 and p99: fifty times a second, `each` messages."""
    took: list[float] = []

    async def handle(_: ConversationRead, work: Work) -> None:
        if work.envelope is not None:
            took.append(time() - work.envelope.time.timestamp())

    async with running(bus.relay(database)), running(bus.consume(table(handle), database)):
        await write(database, 200)
        await until(lambda: len(took) >= 200, within=60)
        took.clear()
        due = perf_counter()
        for first in range(0, count, each):
            async with open_work(database, tenant_id=TENANT) as work:
                for n in range(first, min(first + each, count)):
                    await work.publish(message(n))
            due += 0.02
            await asyncio.sleep(max(0.0, due - perf_counter()))
        await until(lambda: len(took) >= count, within=60)
    took.sort()
    return took[count // 2] * 1000, took[count * 99 // 100] * 1000


def table(handler: object) -> Subscriptions:
    subscriptions = Subscriptions("conversations", REGISTRY)
    subscriptions.on(ConversationRead, handler)  # type: ignore[arg-type]
    return subscriptions


async def run(database_url: str, amqp_url: str, count: int) -> list[tuple[str, str, str]]:
    async with (
        open_database(database_url, application="conversations") as database,
        open_bus(amqp_url, service="conversations", registry=REGISTRY) as bus,
    ):
        for statement in MESSAGING_TABLES:
            await database.pool.execute(statement)
        rows_per_second = await relay(database, bus, count)
        most = await publish_directly(amqp_url, count)
        handled = await consume(database, bus, count)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        p50, p99 = await latency(database, bus, min(count // 50, 500))
        through = await run_all(database, bus, min(count, 20_000))
        half = max(1, round(through / 2 / 50))  # fifty times a second
        half_p50, half_p99 = await latency(database, bus, half * 50 * 4, each=half)
    return [
        ("relay, rows/s from commit to confirm", f"{rows_per_second:,.0f}", "10,000"),
        ("aio-pika alone, awaited together", f"{most:,.0f}", "-"),
        ("consumer with the inbox, messages/s", f"{handled:,.0f}", "4,000"),
        ("written, relayed and handled in one process, messages/s", f"{through:,.0f}", "-"),
        ("commit to handled at low load, p50 / p99 ms", f"{p50:,.1f} / {p99:,.1f}", "5 / -"),
        (f"at half of the maximum ({half * 50:,}/s), p50 / p99 ms", f"{half_p50:,.1f} / {half_p99:,.1f}", "-"),
        (f"memory of the process after {count:,} waiting messages, MiB", f"{memory:,.0f}", "-"),
    ]


def main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    count = 5_000 if "--quick" in sys.argv else 200_000
    begin_run()
    try:
        servers = find_servers()
        databases = Databases(servers.database_url)
        hosts = VirtualHosts(servers.amqp_management_url, servers.amqp_url)
        vhost = hosts.fresh()
        rows = uvloop.run(run(databases.empty(), hosts.url(vhost), count))
        hosts.drop(vhost)
        databases.close()
    finally:
        end_run()
    shown = Table("messaging", "measured", "aim")
    for row in rows:
        shown.add_row(*row)
    Terminal().print(shown)


if __name__ == "__main__":
    main()
