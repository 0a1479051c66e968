"""Queues of earlier releases."""

import asyncio

import aio_pika

from switchboard.contracts.consumers import Subscription
from switchboard.contracts.conversations import ConversationRead
from switchboard.messaging.broker.connection import Broker
from switchboard.messaging.broker.retired_queues import RetiredQueues
from switchboard.messaging.broker.topology import declare_topology
from switchboard.runtime.background import Stop
from switchboard.testing import until

from .fixtures import Messaging

FEED = Subscription("realtime", "feed", (ConversationRead,))


async def queues_left(messaging: Messaging) -> list[str]:
    left = []
    connection = await aio_pika.connect(messaging.amqp_url)
    async with connection:
        for name in [*FEED.queues(), f"{FEED.queue}.dead"]:
            channel = await connection.channel()
            try:
                await channel.declare_queue(name, passive=True)
            except aio_pika.exceptions.ChannelNotFoundEntity:
                continue
            left.append(name)
            await channel.close()
    return left


async def test_retired_queues_go_once_nobody_consumes_them(messaging: Messaging) -> None:
    broker, stop = Broker(messaging.amqp_url, "realtime"), Stop()
    connection = await aio_pika.connect(messaging.amqp_url)
    async with connection, connection.channel() as channel:
        await declare_topology(channel, [FEED])
        earlier = await (await channel.get_queue(FEED.queues()[3])).consume(_ignore)
        await channel.default_exchange.publish(aio_pika.Message(b"old"), FEED.queues()[0])
        looking = asyncio.create_task(RetiredQueues(broker, [FEED], look_seconds=0.1).run(stop))

        async def only_the_consumed_one_is_left() -> bool:
            return await queues_left(messaging) == [FEED.queues()[3], f"{FEED.queue}.dead"]

        await until(only_the_consumed_one_is_left)
        await (await channel.get_queue(FEED.queues()[3])).cancel(earlier)

        async def none_is_left() -> bool:
            return await queues_left(messaging) == []

        await until(none_is_left)
        await asyncio.sleep(0.5)
        assert not looking.done(), "it goes on looking"
        stop.set()
        await looking
    await broker.close()


async def _ignore(_: object) -> None:
    pass
