"""What the relay publishes for the rows of the outbox: each message alone, and batches of events."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from switchboard.contracts.consumers import Subscription
from switchboard.contracts.envelope import BATCH_CONTENT_TYPE, join_batch
from switchboard.messaging.broker.routing import BATCHED, EVENT_ID, EVENTS, partition_of
from switchboard.messaging.outbox.publisher import Publication
from switchboard.messaging.outbox.rows import UnsentRow

MOST_IN_BATCH = 100  # events
MOST_BATCH_BYTES = 120_000  # below the broker's default `frame_max` of 131,072


@dataclass(frozen=True)
class OutgoingPublication:
    """A publication and the rows that it carries, in their order."""

    publication: Publication
    rows: Sequence[UnsentRow]


class Publications:
    """Knows from the registry who needs which message. Rows of one subject must not fail one after the other.

    So rows are published in waves. A message that one of our queues takes alone is confirmed before the next one of its
    subject is published; a batch keeps the order of its events by itself.
    """

    def __init__(self, subscriptions: Iterable[Subscription]) -> None:
        subscriptions = list(subscriptions)
        self._batched = [(s, {cls.type for cls in s.types}) for s in subscriptions if s.batched]
        self._needed_alone = {cls.type for s in subscriptions if not s.batched for cls in s.types}

    def waves_of(self, rows: Iterable[UnsentRow]) -> list[list[UnsentRow]]:
        """Divide rows into waves to publish one after the other."""
        waves: list[list[UnsentRow]] = []
        before: dict[str, int] = {}  # how many messages of the subject must be confirmed first
        for row in rows:
            wave = before.get(row.subject, 0)
            if row.type in self._needed_alone:
                before[row.subject] = wave + 1
            while len(waves) <= wave:
                waves.append([])
            waves[wave].append(row)
        return waves

    def of(self, rows: Sequence[UnsentRow]) -> list[OutgoingPublication]:
        """All publications of a wave."""
        return [OutgoingPublication(self._single(row), [row]) for row in rows] + list(self._batches(rows))

    def _single(self, row: UnsentRow) -> Publication:
        headers: dict[str, object] = {EVENT_ID: str(row.event_id)}
        if row.exchange == EVENTS and any(row.type in types for _, types in self._batched):
            headers[BATCHED] = True
        return Publication(
            row.exchange, row.routing_key, row.body, row.type, headers, mandatory=row.type in self._needed_alone
        )

    def _batches(self, rows: Sequence[UnsentRow]) -> Iterator[OutgoingPublication]:
        for subscription, types in self._batched:
            by_queue: dict[str, list[UnsentRow]] = {}
            for row in rows:
                if row.type in types:
                    queue = subscription.queues()[partition_of(row.subject, subscription.partitions)]
                    by_queue.setdefault(queue, []).append(row)
            for queue, of_queue in by_queue.items():
                for batch in _chunks(of_queue):
                    body = join_batch([row.body for row in batch])
                    yield OutgoingPublication(Publication("", queue, body, "", content_type=BATCH_CONTENT_TYPE), batch)


def _chunks(rows: Sequence[UnsentRow]) -> Iterator[list[UnsentRow]]:
    """Divide rows by the bounds of a batch. An event above them makes a batch of its own."""
    chunk: list[UnsentRow] = []
    size = 0
    for row in rows:
        if chunk and (len(chunk) == MOST_IN_BATCH or size + len(row.body) > MOST_BATCH_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(row)
        size += len(row.body) + 1
    yield chunk
