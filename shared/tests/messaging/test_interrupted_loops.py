"""Loops of messaging in which one await fails: each goes on, or ends its process."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

import aio_pika
import aiormq.exceptions
import asyncpg
import pytest
from aio_pika.abc import AbstractChannel

from switchboard.contracts.conversations import ConversationRead
from switchboard.contracts.envelope import Envelope
from switchboard.messaging.broker import membership
from switchboard.messaging.broker.connection import Broker
from switchboard.messaging.broker.membership import PEERS, Membership
from switchboard.messaging.broker.topology import declare_topology
from switchboard.messaging.inbox import queue_watch
from switchboard.messaging.inbox.consumer import Consumer
from switchboard.messaging.inbox.queue_watch import QueueWatch
from switchboard.messaging.inbox.subscriptions import BatchHandler, Effect
from switchboard.messaging.outbox.relay import Relay
from switchboard.postgres.leader_lease import LeaderLease
from switchboard.testing import becomes, until
from switchboard.testing.interrupted_awaits import connection_errors, goes_on_or_ends

from .fixtures import ORDERED, QUICK_RETRIES, REGISTRY, Messaging, read, running

QUEUE = ORDERED.queues()[0]

slow = pytest.mark.slow
each_error = pytest.mark.parametrize(
    "error",
    [asyncio.CancelledError]
    + [pytest.param(kind, marks=slow) for kind in (Exception, *connection_errors(aiormq.exceptions))],
)


@dataclass
class Connected:
    """What the loops need: brokers, which all loops of a process share, and a channel of the test's own."""

    consuming: Broker
    publishing: Broker
    channel: AbstractChannel

    def consumer(self, effect: Effect) -> Consumer:
        handler = BatchHandler(effect, self.publishing.check)
        return Consumer(self.consuming, self.publishing, ORDERED, QUEUE, handler, QUICK_RETRIES)


@pytest.fixture
async def connected(messaging: Messaging) -> AsyncIterator[Connected]:
    consuming, publishing = Broker(messaging.amqp_url, "consuming"), Broker(messaging.amqp_url, "publishing")
    connection = await aio_pika.connect(messaging.amqp_url)
    async with connection, connection.channel() as channel:
        await declare_topology(channel, REGISTRY, QUICK_RETRIES)
        yield Connected(consuming, publishing, channel)
    await consuming.close()
    await publishing.close()


def envelope(seq: int) -> Envelope:
    data = read(seq).model_dump(mode="json")
    return Envelope(uuid4(), "conversations", ConversationRead.type, read(seq).subject, datetime.now(UTC), data)


@each_error
async def test_an_interrupted_consumer_goes_on(connected: Connected, error: type[BaseException]) -> None:
    taken: set[int] = set()
    numbers = itertools.count(1)

    async def take(envelopes: list[Envelope]) -> None:
        await asyncio.sleep(0)
        taken.update(int(each.data["seq"]) for each in envelopes)

    async def take_one() -> None:
        number = next(numbers)
        message = aio_pika.Message(envelope(number).encode(), type=ConversationRead.type)
        await connected.channel.default_exchange.publish(message, QUEUE)
        await until(lambda: number in taken)

    assert await goes_on_or_ends(lambda: connected.consumer(take).run, take_one, error) > 10


@each_error
async def test_an_interrupted_membership_goes_on(
    connected: Connected, error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(membership, "HEARTBEAT_SECONDS", 0.1)
    heard: list[str] = []
    queue = await connected.channel.declare_queue(exclusive=True)
    await connected.channel.declare_exchange(PEERS, aio_pika.ExchangeType.TOPIC, durable=True)
    await queue.bind(PEERS, "conversations")
    await queue.consume(lambda message: _append(heard, message.body.decode()), no_ack=True)

    async def hear_again() -> None:
        before = len(heard)
        await until(lambda: len(heard) > before + 1)

    def make() -> Membership:
        return Membership(connected.consuming, "conversations", "conversations-1")

    assert await goes_on_or_ends(lambda: make().run, hear_again, error) > 10


async def _append(heard: list[str], name: str) -> None:
    heard.append(name)


@each_error
async def test_an_interrupted_queue_watch_goes_on(
    connected: Connected, error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_watch, "WATCH_SECONDS", 0.02)
    resubscribed: list[str] = []

    class LostConsumer(Consumer):
        subscribed = True

        def resubscribe(self) -> None:
            resubscribed.append(self.queue)

    async def notice_again() -> None:
        before = len(resubscribed)
        await until(lambda: len(resubscribed) > before + 1)

    def make() -> QueueWatch:
        handler = BatchHandler(take_nothing, connected.publishing.check)
        lost = LostConsumer(connected.consuming, connected.publishing, ORDERED, QUEUE, handler, QUICK_RETRIES)
        lost.subscribed = True
        members = Membership(connected.consuming, "conversations", "conversations-1")
        return QueueWatch(connected.consuming, members, "conversations-1", [lost])

    assert await goes_on_or_ends(lambda: make().run, notice_again, error) > 5


async def take_nothing(_envelopes: list[Envelope]) -> None: ...


@pytest.mark.parametrize(
    "error",
    [asyncio.CancelledError]
    + [pytest.param(kind, marks=slow) for kind in connection_errors(asyncpg) + connection_errors(aiormq.exceptions)],
)
async def test_an_interrupted_relay_goes_on(
    connected: Connected, messaging: Messaging, error: type[BaseException]
) -> None:
    numbers = itertools.count(1)
    lease = LeaderLease(messaging.database, "relay", "conversations-1")

    async def publish_one() -> None:
        await messaging.publish(read(next(numbers)))
        await becomes(lambda: messaging.count("outbox"), 0)

    def make() -> Relay:
        return Relay(messaging.database, connected.publishing, lease, REGISTRY, QUICK_RETRIES)

    async with running(lease.run):
        await until(lease.held)
        assert await goes_on_or_ends(lambda: make().run, publish_one, error) > 10
