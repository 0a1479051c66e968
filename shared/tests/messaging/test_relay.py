"""The outbox relay."""

import asyncio
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from switchboard.contracts.auth import TrialSweep
from switchboard.contracts.conversations import ConversationCleared
from switchboard.local.broker_users import definitions
from switchboard.messaging.broker.connection import Broker
from switchboard.messaging.outbox.relay import Relay
from switchboard.messaging.outbox.rows import INSERT_INTO_OUTBOX
from switchboard.messaging.outbox.unit_of_work import open_work
from switchboard.postgres.leader_lease import LeaderLease
from switchboard.runtime.background import Stop
from switchboard.testing import becomes, until
from switchboard.testing.brokers import VirtualHosts

from .fixtures import QUICK_RETRIES, REGISTRY, TENANT, USER, Messaging, read


async def test_an_unroutable_message_blocks_only_its_subject(messaging: Messaging) -> None:
    """No queue is bound for `conversation.cleared` here: the broker returns it."""
    async with open_work(messaging.database, tenant_id=TENANT) as work:
        await work.publish(ConversationCleared(user_id=USER, contact_phone="+14155550100", up_to_seq=1))
        await work.publish(read(2, "+14155550100"))
        await work.publish(read(1, "+14155550199"))

    async with messaging.instance():
        await becomes(lambda: messaging.recorded("+14155550199"), [1])

        assert await messaging.recorded("+14155550100") == []
        await becomes(lambda: messaging.count("outbox"), 2)


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


@pytest.mark.parametrize("rows_each", [300, 700], ids=["behind_few", "behind_many"])
async def test_busy_subjects_do_not_starve_a_quiet_one(messaging: Messaging, rows_each: int) -> None:
    await messaging.publish(*(read(1, f"+1415555{n:04}") for n in range(20)))
    async with messaging.database.connection() as conn:
        await conn.execute(
            f"{INSERT_INTO_OUTBOX}"
            " select event_id, exchange, routing_key, type, subject, body from outbox, generate_series(2, $1)",
            rows_each,
        )
    await messaging.publish(read(1, "+14155550199"))

    async with messaging.instance():
        await becomes(lambda: messaging.recorded("+14155550199"), [1])

        assert await messaging.count("outbox") > 20 * rows_each // 2


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
