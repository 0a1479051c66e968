"""Waves of publications: what must be confirmed before what."""

from uuid import uuid4

from switchboard.contracts.auth import UserUpdated
from switchboard.contracts.consumers import Subscription
from switchboard.contracts.conversations import ConversationRead
from switchboard.messaging.outbox.publications import MOST_IN_BATCH, Publications
from switchboard.messaging.outbox.rows import UnsentRow

PUBLICATIONS = Publications(
    [
        Subscription("scheduler", "events", (UserUpdated,)),
        Subscription("realtime", "events", (UserUpdated, ConversationRead), partitions=2, batched=True),
    ]
)


def row(number: int, type: str, subject: str, size: int = 2) -> UnsentRow:
    return UnsentRow(uuid4(), "switchboard.events", f"{type}.-.00", type, subject, b"x" * size, number)


def test_only_what_our_queues_take_alone_waits_for_the_one_before() -> None:
    rows = [
        row(1, "user.updated", "a"),
        row(2, "user.updated", "b"),
        row(3, "user.updated", "a"),
        row(4, "conversation.read", "a"),
        row(5, "conversation.read", "c"),
        row(6, "conversation.read", "c"),
    ]

    waves = PUBLICATIONS.waves_of(rows)

    assert [[row.id for row in wave] for wave in waves] == [[1, 2, 5, 6], [3], [4]]


def test_a_batch_is_bounded_in_events_and_bytes() -> None:
    many = [row(n, "conversation.read", "a") for n in range(MOST_IN_BATCH + 1)]
    large = [row(n, "conversation.read", "a", size=50_000) for n in range(5)]
    larger = [row(1, "conversation.read", "a", size=500_000)]

    def sizes(rows: list[UnsentRow]) -> list[int]:
        return [len(one.rows) for one in PUBLICATIONS.of(rows) if one.publication.exchange == ""]

    assert (sizes(many), sizes(large), sizes(larger)) == ([MOST_IN_BATCH, 1], [2, 2, 1], [1])


def test_a_missing_queue_is_noticed_only_where_one_of_ours_is() -> None:
    rows = [row(1, "user.updated", "a"), row(2, "conversation.read", "a")]

    singles = [one.publication for one in PUBLICATIONS.of(rows) if one.publication.exchange]

    assert [publication.mandatory for publication in singles] == [True, False]
