"""Batched subscriptions: what the relay sends them, beside single events for other teams."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aio_pika

from switchboard.contracts.consumers import Subscription
from switchboard.contracts.conversations import ConversationRead
from switchboard.contracts.envelope import Envelope
from switchboard.messaging.broker.connection import Broker
from switchboard.messaging.broker.routing import EVENTS
from switchboard.messaging.broker.topology import declare_topology
from switchboard.messaging.bus import open_bus
from switchboard.messaging.inbox.subscriptions import Subscriptions
from switchboard.messaging.operators.dead_letters import DeadLetters
from switchboard.messaging.outbox.publisher import ConfirmChannel, Publication
from switchboard.messaging.outbox.rows import row_of
from switchboard.testing import becomes

from .fixtures import QUICK_RETRIES, TENANT, Messaging, read, running

BATCHED = Subscription("realtime", "events", (ConversationRead,), partitions=2, batched=True)
FEED = Subscription("realtime", "feed", (ConversationRead,), partitions=2)  # of the release before
PHONES = [f"+1415555{n:04}" for n in range(20)]
POISONED = 13


@dataclass
class Listener:
    """An instance of realtime that records the events of each effect."""

    amqp_url: str
    subscription: Subscription = BATCHED
    effects: list[list[Envelope]] = field(default_factory=list)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        subscriptions = Subscriptions("realtime", (self.subscription,))
        subscriptions.on_batch(self.subscription.name, self.effect, _always_there)
        async with (
            open_bus(
                self.amqp_url, service="realtime", registry=(self.subscription,), retry_policy=QUICK_RETRIES
            ) as bus,
            running(bus.consume(subscriptions, None)),
        ):
            yield

    async def effect(self, envelopes: list[Envelope]) -> None:
        if any(one.data["seq"] == POISONED for one in envelopes):
            raise ValueError("poisoned")
        self.effects.append(envelopes)

    def heard(self, phone: str = "+14155550100") -> list[int]:
        subject = read(0, phone).subject
        return [one.data["seq"] for effect in self.effects for one in effect if one.subject == subject]


async def _always_there() -> None:
    pass


@asynccontextmanager
async def relay(messaging: Messaging, *subscriptions: Subscription) -> AsyncIterator[None]:
    async with (
        open_bus(
            messaging.amqp_url, service="conversations", registry=subscriptions, retry_policy=QUICK_RETRIES
        ) as bus,
        running(bus.relay(messaging.database)),
    ):
        yield


async def publish_as_earlier_release(messaging: Messaging, *events: ConversationRead) -> None:
    """One message each, without the header that says that batches carry it too."""
    broker = Broker(messaging.amqp_url, "earlier release")
    async with broker.channel(confirms=True) as channel:
        for event in events:
            row = row_of(event, source="conversations", tenant_id=TENANT)
            headers = {"event_id": str(row.event_id)}
            await ConfirmChannel(channel).publish(
                Publication(row.exchange, row.routing_key, row.body, row.type, headers)
            )
    await broker.close()


async def test_events_come_in_batches_and_in_order(messaging: Messaging) -> None:
    await messaging.publish(*(read(seq, phone) for seq in range(1, 11) for phone in PHONES))
    listener = Listener(messaging.amqp_url)

    async with relay(messaging, BATCHED), listener.running():
        await becomes(lambda: [listener.heard(phone) for phone in PHONES], [list(range(1, 11))] * len(PHONES))
        await becomes(lambda: messaging.count("outbox"), 0)

    assert len(listener.effects) < 20


async def test_other_teams_get_each_event_alone_once_and_in_order(messaging: Messaging) -> None:
    connection = await aio_pika.connect(messaging.amqp_url)
    async with connection, connection.channel() as channel:
        exchange = await channel.declare_exchange(EVENTS, "topic", durable=True)
        queue = await channel.declare_queue("ext.team.reads", durable=True)
        await queue.bind(exchange, "conversation.read.#")
        received: list[Any] = []

        async def take(message: aio_pika.abc.AbstractIncomingMessage) -> None:
            envelope = Envelope.decode(message.body)
            assert message.headers["event_id"] == str(envelope.id)
            assert (message.content_type, message.type) == ("application/cloudevents+json", "conversation.read")
            received.append((envelope.subject, envelope.data["seq"]))

        await queue.consume(take, no_ack=True)
        async with relay(messaging, BATCHED):
            await messaging.publish(*(read(seq, phone) for seq in range(1, 6) for phone in PHONES))
            await becomes(lambda: messaging.count("outbox"), 0)
            await becomes(lambda: len(received), 5 * len(PHONES))

    of_each = [[seq for subject, seq in received if subject == read(0, phone).subject] for phone in PHONES]
    assert of_each == [[1, 2, 3, 4, 5]] * len(PHONES)


async def test_a_poisoned_event_of_a_batch_is_dead_lettered_alone(messaging: Messaging) -> None:
    await messaging.publish(*(read(seq) for seq in range(11, 16)))
    listener = Listener(messaging.amqp_url)

    async with relay(messaging, BATCHED), listener.running():
        await becomes(listener.heard, [11, 12, 14, 15])
        broker = Broker(messaging.amqp_url, "operator")
        letters = DeadLetters(broker, (BATCHED,))
        (letter,) = await letters.find()
        await broker.close()

    assert (letter.subscription, letter.type, letter.error) == ("realtime.events", "conversation.read", "poisoned")
    assert Envelope.decode(letter.body.encode()).data["seq"] == POISONED
    assert letter.event_id == str(Envelope.decode(letter.body.encode()).id)


async def test_each_release_hears_the_relay_of_the_other_once(messaging: Messaging) -> None:
    """A rolling update: instances of both releases consume, and either release leads the relay."""
    old, new = Listener(messaging.amqp_url, FEED), Listener(messaging.amqp_url)
    broker = Broker(messaging.amqp_url, "both releases")
    async with broker.channel(confirms=False) as channel:
        await declare_topology(channel, [FEED, BATCHED])  # as both have done when the update begins
    await broker.close()

    async with old.running(), new.running(), relay(messaging, BATCHED):
        await messaging.publish(read(1))
        await becomes(lambda: (old.heard(), new.heard()), ([1], [1]))
        await publish_as_earlier_release(messaging, read(2))
        await becomes(lambda: (old.heard(), new.heard()), ([1, 2], [1, 2]))
        await messaging.publish(*(read(seq) for seq in range(3, 6)))
        await becomes(lambda: (old.heard(), new.heard()), ([1, 2, 3, 4, 5], [1, 2, 3, 4, 5]))
        await asyncio.sleep(0.5)  # for what would come twice

    assert (old.heard(), new.heard()) == ([1, 2, 3, 4, 5], [1, 2, 3, 4, 5])
