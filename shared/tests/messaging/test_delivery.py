"""Delivery: from the commit that publishes a message to the commit of its effect."""

import pytest

from switchboard.contracts.auth import TrialSweep
from switchboard.messaging.inbox.pruning import prune
from switchboard.messaging.outbox.rows import INSERT_INTO_OUTBOX
from switchboard.messaging.outbox.unit_of_work import open_work
from switchboard.testing import becomes

from .fixtures import (
    TENANT,
    Messaging,
    read,
)


async def publish_and_fail(messaging: Messaging) -> None:
    async with open_work(messaging.database, tenant_id=TENANT) as work:
        await work.publish(read(1))
        raise ZeroDivisionError


async def test_committed_messages_take_effect_in_order(messaging: Messaging) -> None:
    async with messaging.instance():
        for first in range(1, 201, 20):
            await messaging.publish(*(read(seq) for seq in range(first, first + 20)))

        await becomes(lambda: messaging.count("recorded"), 200)

    assert await messaging.recorded() == list(range(1, 201))
    assert await messaging.count("outbox") == 0


async def test_a_rolled_back_message_is_never_sent(messaging: Messaging) -> None:
    async with messaging.instance():
        with pytest.raises(ZeroDivisionError):
            await publish_and_fail(messaging)
        await messaging.publish(read(2))

        await becomes(lambda: messaging.count("recorded"), 1)

    assert await messaging.recorded() == [2]


async def test_messages_published_before_the_first_consumer_wait_for_it(messaging: Messaging) -> None:
    await messaging.publish(read(1), TrialSweep())
    async with messaging.instance():
        await becomes(lambda: messaging.count("recorded"), 2)


async def test_a_message_sent_twice_takes_effect_once(messaging: Messaging) -> None:
    await messaging.publish(read(1))
    async with messaging.database.connection() as conn:
        await conn.execute(
            f"{INSERT_INTO_OUTBOX} select event_id, exchange, routing_key, type, subject, body from outbox"
        )

    async with messaging.instance():
        await messaging.publish(read(2))
        await becomes(messaging.recorded, [1, 2])


async def test_inbox_rows_are_deleted_after_thirty_days_and_not_before(messaging: Messaging) -> None:
    async with messaging.database.connection() as conn:
        await conn.execute(
            "insert into inbox (subscription, event_id, handled_at)"
            " select 'ordered', gen_random_uuid(), clock_timestamp() - make_interval(days => age)"
            " from unnest(array[29, 31, 40]) age"
        )

        assert await prune(conn) == 2

    assert await messaging.count("inbox") == 1
