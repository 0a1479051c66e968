"""A small product for these tests: one service with an ordered and an unordered subscription."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import aio_pika

from switchboard.contracts.auth import TrialSweep
from switchboard.contracts.consumers import Subscription
from switchboard.contracts.conversations import ConversationCleared, ConversationRead
from switchboard.messaging.broker.connection import Broker
from switchboard.messaging.broker.retry_policy import RetryPolicy
from switchboard.messaging.broker.routing import COMMANDS, EVENTS, routing_key
from switchboard.messaging.bus import Bus, open_bus
from switchboard.messaging.inbox.subscriptions import Subscriptions
from switchboard.messaging.operators.dead_letters import DeadLetters
from switchboard.messaging.outbox.unit_of_work import Work, open_work
from switchboard.postgres.database import Database
from switchboard.runtime.background import Loop, Stop

ORDERED = Subscription("conversations", "ordered", (ConversationRead,), partitions=2)
UNORDERED = Subscription("conversations", "unordered", (TrialSweep,), partitions=0)
REGISTRY = (ORDERED, UNORDERED)
NEWER_REGISTRY = (replace(ORDERED, types=(ConversationRead, ConversationCleared)), UNORDERED)
QUICK_RETRIES = RetryPolicy(
    in_place=timedelta(seconds=0.5),
    pauses=(timedelta(milliseconds=50),),
    delays=(timedelta(milliseconds=20), timedelta(milliseconds=40)),
)
TENANT = UUID("0192f7a0-0000-7000-8000-0000000000aa")
USER = UUID("0192f7a0-0000-7000-8000-000000000001")

Handler = Callable[[Any, Work], Awaitable[None]]


def cleared(up_to_seq: int, phone: str = "+14155550100") -> ConversationCleared:
    return ConversationCleared(user_id=USER, contact_phone=phone, up_to_seq=up_to_seq)


def read(seq: int, phone: str = "+14155550100") -> ConversationRead:
    return ConversationRead(user_id=USER, contact_phone=phone, seq=seq)


async def record(event: ConversationRead, work: Work) -> None:
    """The handler of most tests. Its effect is a row."""
    await work.conn.execute("insert into recorded (subject, seq) values ($1, $2)", event.subject, event.seq)


async def record_cleared(event: ConversationCleared, work: Work) -> None:
    await work.conn.execute("insert into recorded (subject, seq) values ($1, $2)", event.subject, event.up_to_seq)


async def record_sweep(_: TrialSweep, work: Work) -> None:
    await work.conn.execute("insert into recorded (subject, seq) values ('sweep', 0)")


@dataclass
class Messaging:
    """One service with its database and bus. `instance` runs an instance of it."""

    database: Database
    database_url: str
    amqp_url: str
    on_read: Handler = field(default=record)
    on_sweep: Handler = field(default=record_sweep)
    retry_policy: RetryPolicy = QUICK_RETRIES

    @asynccontextmanager
    async def instance(
        self, name: str = "conversations-1", *, relay: bool = True, newer: bool = False
    ) -> AsyncIterator[Bus]:
        """`newer`: of a release that also handles `ConversationCleared`."""
        registry = NEWER_REGISTRY if newer else REGISTRY
        subscriptions = Subscriptions("conversations", registry)
        if newer:
            subscriptions.on(ConversationCleared, record_cleared)
        subscriptions.on(ConversationRead, lambda event, work: self.on_read(event, work))
        subscriptions.on(TrialSweep, lambda command, work: self.on_sweep(command, work))
        async with open_bus(
            self.amqp_url, service="conversations", instance=name, registry=registry, retry_policy=self.retry_policy
        ) as bus:
            loops = [bus.consume(subscriptions, self.database)]
            async with running(*loops, *([bus.relay(self.database)] if relay else [])):
                yield bus

    async def publish(self, *messages: ConversationRead | ConversationCleared | TrialSweep) -> None:
        async with open_work(self.database, tenant_id=TENANT) as work:
            for message in messages:
                await work.publish(message)

    async def recorded(self, phone: str = "+14155550100") -> list[int]:
        """The `seq` of this conversation's events, in the order in which they took effect."""
        subject = read(0, phone).subject
        rows = await self.database.pool.fetch("select seq from recorded where subject = $1 order by id", subject)
        return [row["seq"] for row in rows]

    async def count(self, table: str) -> int:
        return int(await self.database.pool.fetchval(f"select count(*) from {table}"))

    @asynccontextmanager
    async def dead_letters(self) -> AsyncIterator[DeadLetters]:
        broker = Broker(self.amqp_url, "operator")
        try:
            yield DeadLetters(broker, REGISTRY)
        finally:
            await broker.close()

    async def dead_lettered(self) -> list[tuple[str, int]]:
        """Reason and attempts of every dead letter."""
        async with self.dead_letters() as letters:
            return [(letter.reason.rpartition(".")[2], letter.attempts) for letter in await letters.find()]


async def send_raw(messaging: Messaging, body: bytes, *, exchange: str = EVENTS, key: str = "") -> None:
    """Publish without the outbox, as a foreign program would. `key`: by default that of a message of the exchange."""
    key = key or (TrialSweep.type if exchange == COMMANDS else routing_key(read(0), TENANT))
    connection = await aio_pika.connect(messaging.amqp_url)
    async with connection, connection.channel(on_return_raises=True) as channel:
        target = await channel.get_exchange(exchange) if exchange else channel.default_exchange
        await target.publish(aio_pika.Message(body, delivery_mode=2, type="conversation.read"), key)


@asynccontextmanager
async def running(*loops: Loop) -> AsyncIterator[None]:
    stop = Stop()
    tasks = [asyncio.ensure_future(loop(stop)) for loop in loops]
    try:
        yield
    finally:
        stop.set()
        async with asyncio.timeout(15):
            await asyncio.gather(*tasks)
