"""From the outbox to the broker, whoever dies."""

from __future__ import annotations

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

from .story import QUICK, REGISTRY, TENANT, USER, Messaging, read


async def test_a_message_that_no_queue_takes_holds_back_its_subject_alone(messaging: Messaging) -> None:
    """Nobody here subscribes to `conversation.cleared`: the broker returns it."""
    async with open_work(messaging.database, tenant_id=TENANT) as work:
        await work.publish(ConversationCleared(user_id=USER, contact_phone="+14155550100", up_to_seq=1))
        await work.publish(read(2, "+14155550100"))
        await work.publish(read(1, "+14155550199"))

    async with messaging.instance():
        await becomes(lambda: messaging.noted("+14155550199"), [1])

        assert await messaging.noted("+14155550100") == []
        await becomes(lambda: messaging.count("outbox"), 2)


async def test_a_message_over_which_the_broker_closes_the_channel_holds_back_its_subject_alone(
    messaging: Messaging, virtual_hosts: VirtualHosts, vhost: str
) -> None:
    """`conversations` may publish no commands: that is a 403, and the end of the channel for all in flight on it."""
    virtual_hosts.ask("POST", "/definitions", definitions({"conversations": "secret"}, vhost, admin="nobody"))
    where = urlsplit(messaging.amqp_url)
    netloc = f"conversations:secret@{where.netloc.rpartition('@')[2]}"
    held_to_its_own = replace(messaging, amqp_url=where._replace(netloc=netloc).geturl())
    phones = [f"+1415555{n:04}" for n in range(50)]
    await messaging.publish(*(read(1, phone) for phone in phones), TrialSweep(), *(read(2, phone) for phone in phones))

    async with held_to_its_own.instance():
        await becomes(lambda: messaging.count("outbox"), 1)
        await messaging.publish(*(read(3, phone) for phone in phones))
        await becomes(lambda: messaging.count("outbox"), 1)
        await becomes(lambda: messaging.count("noted"), 150)

    assert [await messaging.noted(phone) for phone in phones] == [[1, 2, 3]] * 50
    async with messaging.instance():  # as the administrator, who may
        await becomes(lambda: messaging.count("outbox"), 0)


@pytest.mark.parametrize("rows_each", [300, 700], ids=["behind_few", "behind_many"])
async def test_busy_subjects_do_not_keep_out_a_quiet_one(messaging: Messaging, rows_each: int) -> None:
    await messaging.publish(*(read(1, f"+1415555{n:04}") for n in range(20)))
    async with messaging.database.connection() as conn:
        await conn.execute(
            f"{INSERT_INTO_OUTBOX}"
            " select event_id, exchange, routing_key, type, subject, body from outbox, generate_series(2, $1)",
            rows_each,
        )
    await messaging.publish(read(1, "+14155550199"))

    async with messaging.instance():
        await becomes(lambda: messaging.noted("+14155550199"), [1])

        assert await messaging.count("outbox") > 20 * rows_each // 2


async def test_a_relay_that_hangs_is_replaced(messaging: Messaging) -> None:
    """The first holder never renews: as if its process were stopped."""
    hanging = LeaderLease(messaging.database, "relay", "hanging", ttl=1.0)
    taking = asyncio.create_task(hanging.run(Stop()))
    await until(lambda: hanging.held())
    taking.cancel()
    await messaging.publish(read(1))

    async with messaging.instance():
        await becomes(messaging.noted, [1])


async def test_two_relays_at_once_do_no_harm(messaging: Messaging) -> None:
    """What a holder that was paused does when it goes on: it sends rows that its successor has in hand as well."""
    await messaging.publish(*(read(seq) for seq in range(1, 301)))
    stop, broker = Stop(), Broker(messaging.amqp_url, "second relay")
    unaware = LeaderLease(messaging.database, "another", "unaware")
    second = Relay(messaging.database, broker, unaware, REGISTRY, QUICK)
    tasks = [asyncio.create_task(unaware.run(stop)), asyncio.create_task(second.run(stop))]

    async with messaging.instance():
        await becomes(lambda: messaging.count("outbox"), 0)
        await becomes(messaging.noted, list(range(1, 301)))

    stop.set()
    await asyncio.gather(*tasks)
    await broker.close()
