"""Retries: in place, by a delay queue, by another instance; then dead-lettering."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import aio_pika
import pytest

from switchboard.contracts.auth import TrialSweep
from switchboard.contracts.conversations import ConversationRead
from switchboard.contracts.envelope import Envelope
from switchboard.messaging.broker.routing import COMMANDS
from switchboard.messaging.broker.topology import declare_topology
from switchboard.messaging.outbox.unit_of_work import Work
from switchboard.testing import becomes, until

from .fixtures import (
    NEWER_REGISTRY,
    ORDERED,
    QUICK_RETRIES,
    Messaging,
    cleared,
    read,
    record,
    send_raw,
)


async def test_broken_json_is_dead_lettered_and_later_messages_go_on(messaging: Messaging) -> None:
    async with messaging.instance():
        await messaging.publish(read(1))
        await becomes(messaging.recorded, [1])

        await send_raw(messaging, b"{not json")
        await messaging.publish(read(2))

        await becomes(messaging.recorded, [1, 2])
        await becomes(messaging.dead_lettered, [("Unreadable", 1)])


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
async def test_a_wrong_schema_is_dead_lettered_and_later_messages_go_on(messaging: Messaging) -> None:
    async with messaging.instance():
        wrong = read(7).model_copy(update={"seq": "seven"})
        await messaging.publish(wrong, read(8))

        await becomes(messaging.recorded, [8])
        await becomes(messaging.dead_lettered, [("ValidationError", 1)])


async def declare_newer(messaging: Messaging) -> None:
    """Declare the topology, as the publisher's newer release does before it publishes."""
    connection = await aio_pika.connect(messaging.amqp_url)
    async with connection, connection.channel() as channel:
        await declare_topology(channel, NEWER_REGISTRY, QUICK_RETRIES)


async def test_an_unknown_type_is_handed_over_to_a_newer_instance(messaging: Messaging) -> None:
    """The older instance is the active consumer. It retries without success, then queues up behind the newer one."""
    messaging.retry_policy = replace(QUICK_RETRIES, in_place=timedelta(seconds=30))
    await declare_newer(messaging)
    async with messaging.instance():
        await messaging.publish(read(1), cleared(2), read(3))
        await becomes(messaging.recorded, [1])

        async with messaging.instance("conversations-2", relay=False, newer=True):
            await becomes(messaging.recorded, [1, 2, 3])

    assert await messaging.dead_lettered() == []


async def test_a_type_unknown_to_every_instance_is_dead_lettered(
    messaging: Messaging,
) -> None:
    await declare_newer(messaging)
    async with messaging.instance(), messaging.instance("conversations-2"):
        await messaging.publish(read(1), cleared(2), read(3))

        await becomes(messaging.recorded, [1, 3])
        ((reason, attempts),) = await until(messaging.dead_lettered)

    assert (reason, attempts > 2) == ("Unhandled", True)


async def test_an_unknown_unordered_type_is_delayed_and_dead_lettered(
    messaging: Messaging,
) -> None:
    unknown = Envelope(
        id=uuid4(), source="auth", type="trial.other", subject="trial", time=datetime.now(UTC), data={}, tenant_id=None
    )
    async with messaging.instance():
        await messaging.publish(TrialSweep())
        await becomes(lambda: messaging.count("recorded"), 1)

        await send_raw(messaging, unknown.encode(), exchange=COMMANDS)

        await becomes(messaging.dead_lettered, [("Unhandled", 1 + len(QUICK_RETRIES.delays))])


async def test_a_failing_message_is_dead_lettered_and_its_subject_goes_on(messaging: Messaging) -> None:
    async def refuse_the_third(event: ConversationRead, work: Work) -> None:
        if event.seq == 3:
            raise ZeroDivisionError
        await record(event, work)

    messaging.on_read = refuse_the_third
    async with messaging.instance():
        await messaging.publish(*(read(seq) for seq in range(1, 6)))

        await becomes(messaging.recorded, [1, 2, 4, 5])
        async with messaging.dead_letters() as letters:
            (letter,) = await until(letters.find)

    assert (letter.reason, letter.subscription) == ("builtins.ZeroDivisionError", ORDERED.queue)
    assert letter.attempts > 1
    assert "instance" in letter.handler


async def test_a_failing_message_blocks_only_its_own_partition(messaging: Messaging) -> None:
    stuck = asyncio.Event()

    async def wait_on_the_first(event: ConversationRead, work: Work) -> None:
        if event.contact_phone == "+14155550100":
            stuck.set()
            raise ZeroDivisionError
        await record(event, work)

    messaging.on_read = wait_on_the_first
    others = [f"+1415555{n:04}" for n in range(101, 141)]
    async with messaging.instance():
        await messaging.publish(read(1))
        await stuck.wait()
        await messaging.publish(*(read(1, phone) for phone in others))

        await becomes(lambda: messaging.count("recorded"), len(others))


async def test_an_unordered_message_is_retried_after_a_delay(messaging: Messaging) -> None:
    tries = 0

    async def fail_twice(_: TrialSweep, work: Work) -> None:
        nonlocal tries
        tries += 1
        if tries <= 4:  # each delivery is tried with its batch and alone
            raise ZeroDivisionError
        await work.conn.execute("insert into recorded (subject, seq) values ('sweep', 1)")

    messaging.on_sweep = fail_twice
    async with messaging.instance():
        await messaging.publish(TrialSweep())

        await becomes(lambda: messaging.count("recorded"), 1)

    assert await messaging.dead_lettered() == []


async def test_an_unordered_message_is_dead_lettered_after_the_last_delay(messaging: Messaging) -> None:
    async def fail(_: TrialSweep, work: Work) -> None:
        raise ZeroDivisionError

    messaging.on_sweep = fail
    async with messaging.instance():
        await messaging.publish(TrialSweep())

        await becomes(messaging.dead_lettered, [("ZeroDivisionError", 3)])
