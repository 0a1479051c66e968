"""Replaying and discarding dead letters."""

from datetime import UTC, datetime
from uuid import UUID

from switchboard.contracts.conversations import ConversationRead
from switchboard.contracts.envelope import Envelope
from switchboard.messaging.broker.routing import COMMANDS
from switchboard.messaging.operators.dead_letters import DeadLetter, DeadLetters
from switchboard.messaging.outbox.unit_of_work import Work
from switchboard.testing import becomes, until

from .fixtures import (
    ORDERED,
    UNORDERED,
    Messaging,
    read,
    record,
    send_raw,
)


async def two(letters: DeadLetters) -> list[DeadLetter]:
    found = await letters.find()
    return found if len(found) == 2 else []


async def test_a_replayed_message_takes_effect_once_its_handler_is_fixed(messaging: Messaging) -> None:
    async def fail(event: ConversationRead, work: Work) -> None:
        raise ZeroDivisionError

    messaging.on_read = fail
    async with messaging.instance(), messaging.dead_letters() as letters:
        await messaging.publish(read(1))
        await until(messaging.dead_lettered)
        messaging.on_read = record

        assert await letters.replay(ORDERED.queue) == 1

        await becomes(messaging.recorded, [1])
        assert await letters.counts() == {ORDERED.queue: 0, UNORDERED.queue: 0}


async def test_discarding_one_dead_letter_leaves_the_others(messaging: Messaging) -> None:
    async with messaging.instance(), messaging.dead_letters() as letters:
        await letters.counts()  # declares the queues
        await send_raw(messaging, b"{one")
        await send_raw(messaging, b"{two")
        first, second = await until(lambda: two(letters))

        assert await letters.discard(ORDERED.queue, id=first.id) == 1

        assert [letter.body for letter in await letters.find()] == [second.body]


async def test_a_replayed_message_goes_only_to_its_own_subscription(messaging: Messaging) -> None:
    async with messaging.instance(), messaging.dead_letters() as letters:
        await letters.counts()  # declares the queues
        await send_raw(messaging, b"{broken", exchange=COMMANDS)
        await until(messaging.dead_lettered)

        await letters.replay(UNORDERED.queue)

        await becomes(letters.counts, {ORDERED.queue: 0, UNORDERED.queue: 1})


async def test_copies_of_one_event_are_shown_together_with_each_other(messaging: Messaging) -> None:
    async with messaging.dead_letters() as letters:
        await letters.counts()  # declares the queues
        envelope = Envelope(UUID(int=5), "test", ConversationRead.type, "subject", datetime.now(UTC), {})
        for body in (b"{other", envelope.encode()):
            for queue in (ORDERED.queue, UNORDERED.queue):
                await send_raw(messaging, body, exchange="", key=f"{queue}.dead")
        await becomes(letters.counts, {ORDERED.queue: 2, UNORDERED.queue: 2})

        found = await letters.find()

        tied = [letter for letter in found if letter.copies]
        assert [(each.subscription, each.copies, each.event_id) for each in tied] == [
            (ORDERED.queue, (UNORDERED.queue,), str(UUID(int=5))),
            (UNORDERED.queue, (ORDERED.queue,), str(UUID(int=5))),
        ]
        assert found.index(tied[1]) == found.index(tied[0]) + 1
