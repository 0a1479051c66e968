"""The topology: exchanges, queues and bindings of the whole product, declared by every service before it publishes.

So messages that are published before a subscriber's first start wait for it. All queues are quorum queues that
dead-letter at-least-once, so a message that exceeds the broker's delivery limit is dead-lettered, not dropped.

    switchboard.events ──<type>.#──▶ <service>.<name> (exchange) ──#.<slot>──▶ <service>.<name>.<n>   ordered
    switchboard.events ──<type>.#──▶ <service>.<name>.unbatched ──no header──▶ <service>.<name> (exchange)   batched
    the relay ──batches──▶ <service>.<name>.<n>
    switchboard.events / .commands ──────────────────────────────────────────▶ <service>.<name>       unordered
    switchboard.delay.<ms> ──▶ queue of that TTL ──▶ back to the queue that the routing key names
    switchboard.dead ──<service>.<name>──▶ <service>.<name>.dead
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel, AbstractExchange

from switchboard.contracts.consumers import Subscription
from switchboard.contracts.message import Command
from switchboard.messaging.broker.retry_policy import DEFAULT_RETRY_POLICY, RetryPolicy
from switchboard.messaging.broker.routing import BATCHED, COMMANDS, DEAD, EVENTS, SLOTS

DELIVERY_LIMIT = 50
NEVER = 1_000_000_000


def delay_name(delay: timedelta) -> str:
    return f"switchboard.delay.{delay // timedelta(milliseconds=1)}"


async def declare_topology(
    channel: AbstractChannel, subscriptions: Iterable[Subscription], retry_policy: RetryPolicy = DEFAULT_RETRY_POLICY
) -> None:
    """Idempotent. Raises the broker's error if a queue exists with other arguments."""
    events = await channel.declare_exchange(EVENTS, ExchangeType.TOPIC, durable=True)
    commands = await channel.declare_exchange(COMMANDS, ExchangeType.TOPIC, durable=True)
    dead = await channel.declare_exchange(DEAD, ExchangeType.DIRECT, durable=True)
    for delay in retry_policy.delays:
        await _declare_delay(channel, delay)
    for subscription in subscriptions:
        await _declare_dead_letters(channel, dead, subscription)
        if subscription.ordered:
            await _declare_ordered(channel, events, commands, subscription)
        else:
            await _declare_unordered(channel, events, commands, subscription)


async def _declare_delay(channel: AbstractChannel, delay: timedelta) -> None:
    name = delay_name(delay)
    exchange = await channel.declare_exchange(name, ExchangeType.FANOUT, durable=True)
    queue = await channel.declare_queue(
        name,
        durable=True,
        arguments={
            "x-queue-type": "quorum",
            "x-message-ttl": delay // timedelta(milliseconds=1),
            "x-dead-letter-exchange": "",  # the default one: back to the queue that the routing key names
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        },
    )
    await queue.bind(exchange)


async def _declare_dead_letters(channel: AbstractChannel, dead: AbstractExchange, subscription: Subscription) -> None:
    queue = await channel.declare_queue(
        f"{subscription.queue}.dead",
        durable=True,
        arguments={
            "x-queue-type": "quorum",
            "x-delivery-limit": NEVER,
        },  # reading a dead letter returns it
    )
    await queue.bind(dead, subscription.queue)


async def _declare_ordered(
    channel: AbstractChannel, events: AbstractExchange, commands: AbstractExchange, subscription: Subscription
) -> None:
    fan = await channel.declare_exchange(subscription.queue, ExchangeType.TOPIC, durable=True, internal=True)
    entry = await _declare_unbatched(channel, subscription) if subscription.batched else fan
    for exchange, key in _bindings(events, commands, subscription):
        await entry.bind(exchange, key)
    for partition, name in enumerate(subscription.queues()):
        arguments = {**_work_queue(subscription), "x-single-active-consumer": True}
        queue = await channel.declare_queue(name, durable=True, arguments=arguments)
        for key in _keys_of(partition, subscription.partitions):
            await queue.bind(fan, key)


async def _declare_unbatched(channel: AbstractChannel, subscription: Subscription) -> AbstractExchange:
    """Where a batched subscription takes single events: those of a relay of an earlier release, which has no batches.

    Events with the header match the binding of a sink. Others match none, and take the alternate exchange.
    """
    name = f"{subscription.queue}.unbatched"
    unbatched = await channel.declare_exchange(
        name,
        ExchangeType.HEADERS,
        durable=True,
        internal=True,
        arguments={"alternate-exchange": subscription.queue},
    )
    sink = await channel.declare_exchange(f"{name}.sink", ExchangeType.FANOUT, durable=True, internal=True)
    await sink.bind(unbatched, arguments={"x-match": "all", BATCHED: True})
    return unbatched


async def _declare_unordered(
    channel: AbstractChannel, events: AbstractExchange, commands: AbstractExchange, subscription: Subscription
) -> None:
    queue = await channel.declare_queue(subscription.queue, durable=True, arguments=_work_queue(subscription))
    for exchange, key in _bindings(events, commands, subscription):
        await queue.bind(exchange, key)


def _bindings(
    events: AbstractExchange, commands: AbstractExchange, subscription: Subscription
) -> list[tuple[AbstractExchange, str]]:
    return [
        (commands, message.type) if issubclass(message, Command) else (events, f"{message.type}.#")
        for message in subscription.types
    ]


def _keys_of(partition: int, partitions: int) -> list[str]:
    if partitions == 1:
        return ["#"]
    return [f"#.{slot:02d}" for slot in range(SLOTS) if slot % partitions == partition]


def _work_queue(subscription: Subscription) -> dict[str, Any]:
    return {
        "x-queue-type": "quorum",
        "x-dead-letter-exchange": DEAD,
        "x-dead-letter-routing-key": subscription.queue,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
        "x-delivery-limit": DELIVERY_LIMIT,
    }
