"""The outbox relay."""

import asyncio
from dataclasses import replace
from urllib.parse import urlsplit

import aio_pika

from switchboard.contracts.auth import TrialSweep
from switchboard.local.broker_users import definitions
from switchboard.messaging.broker.connection import Broker
from switchboard.messaging.broker.routing import partition_of, slot_of
from switchboard.messaging.outbox.relay import Relay
from switchboard.postgres.leader_lease import LeaderLease
from switchboard.runtime.background import Stop
from switchboard.testing import becomes, until
from switchboard.testing.brokers import VirtualHosts

from .fixtures import ORDERED, QUICK_RETRIES, REGISTRY, Messaging, read


async def test_an_unroutable_message_blocks_only_its_subject(messaging: Messaging) -> None:
    """An operator has removed a binding: the broker returns what has no other."""
    lost, other = read(1, "+14155550100"), read(1, "+14155550199")
    binding = f"#.{slot_of(lost.subject):02d}"
    async with messaging.instance():
        await messaging.publish(read(0, "+14155550199"))
        await becomes(lambda: messaging.recorded("+14155550199"), [0])
        connection = await aio_pika.connect(messaging.amqp_url)
        async with connection, connection.channel() as channel:
            queue = await channel.get_queue(ORDERED.queues()[partition_of(lost.subject, 2)])
            await queue.unbind(ORDERED.queue, binding)
            await messaging.publish(lost, read(2, "+14155550100"), other)

            await becomes(lambda: messaging.recorded("+14155550199"), [0, 1])
            assert await messaging.recorded("+14155550100") == []
            await becomes(lambda: messaging.count("outbox"), 2)
            await queue.bind(ORDERED.queue, binding)

        await becomes(lambda: messaging.recorded("+14155550100"), [1, 2])


async def test_a_message_that_closes_the_channel_blocks_only_its_subject(
    messaging: Messaging, virtual_hosts: VirtualHosts, vhost: str
) -> None:
    """`conversations` may not publish commands: a 403 closes the channel for all messages in flight on it."""
    virtual_hosts.ask("POST", "/definitions", definitions({"conversations": "secret"}, vhost, admin="none"))
    where = urlsplit(messaging.amqp_url)
    netloc = f"conversations:secret@{where.netloc.rpartition('@')[2]}"
    restricted = replace(messaging, amqp_url=where._replace(netloc=netloc).geturl())
    phones = [f"+1415555{n:04}" for n in range(50)]
    await messaging.publish(*(read(1, phone) for phone in phones), TrialSweep(), *(read(2, phone) for phone in phones))

    async with restricted.instance():
        await becomes(lambda: messaging.count("outbox"), 1)
        await messaging.publish(*(read(3, phone) for phone in phones))
        await becomes(lambda: messaging.count("outbox"), 1)
        await becomes(lambda: messaging.count("recorded"), 150)

    assert [await messaging.recorded(phone) for phone in phones] == [[1, 2, 3]] * 50
    async with messaging.instance():  # as the administrator, who is permitted
        await becomes(lambda: messaging.count("outbox"), 0)


async def test_a_relay_that_hangs_is_replaced(messaging: Messaging) -> None:
    """The first leader never renews its lease, as if its process were paused."""
    hanging = LeaderLease(messaging.database, "relay", "hanging", ttl=1.0)
    taking = asyncio.create_task(hanging.run(Stop()))
    await until(lambda: hanging.held())
    taking.cancel()
    await messaging.publish(read(1))

    async with messaging.instance():
        await becomes(messaging.recorded, [1])


async def test_two_relays_at_once_do_no_harm(messaging: Messaging) -> None:
    """A leader that was paused resumes and publishes rows that its successor publishes as well."""
    await messaging.publish(*(read(seq) for seq in range(1, 301)))
    stop, broker = Stop(), Broker(messaging.amqp_url, "second relay")
    unaware = LeaderLease(messaging.database, "another", "unaware")
    second = Relay(messaging.database, broker, unaware, REGISTRY, QUICK_RETRIES)
    tasks = [asyncio.create_task(unaware.run(stop)), asyncio.create_task(second.run(stop))]

    async with messaging.instance():
        await becomes(lambda: messaging.count("outbox"), 0)
        await becomes(messaging.recorded, list(range(1, 301)))

    stop.set()
    await asyncio.gather(*tasks)
    await broker.close()
