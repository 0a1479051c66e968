"""Dead letters, for operators: list, show, replay, discard.

They are read without an acknowledgement, so closing the channel returns them. A replay goes only to the queue of
the same subscription: the others have handled the message already.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from switchboard.contracts.consumers import SUBSCRIPTIONS, Subscription
from switchboard.contracts.envelope import Envelope, Unreadable
from switchboard.messaging.broker.connection import Broker, translate_errors
from switchboard.messaging.broker.routing import EVENT_ID, partition_of
from switchboard.messaging.broker.topology import declare_topology
from switchboard.messaging.inbox.dead_lettering import (
    ATTEMPTS,
    DEAD_LETTERED_AT,
    ERROR,
    HANDLER,
    REASON,
    ROUTING_KEY,
)
from switchboard.messaging.outbox.publisher import ConfirmChannel, Publication

MOST_COMPARED = 1000  # dead letters of a subscription that are compared with those of the others
SAFE_AGE = timedelta(days=25)
"""Inbox rows live 30 days. An older message may have had its effect without a trace of it."""


@dataclass(frozen=True)
class DeadLetter:
    """A dead-lettered message.

    `id`: by which it is replayed or discarded, as by its `event_id`, which is None where the message can't be decoded.
    `copies`: other subscriptions that have a dead letter of the same event.
    """

    id: str
    subscription: str
    type: str
    event_id: str | None
    reason: str
    error: str
    handler: str
    attempts: int
    parked_at: str
    body: str
    copies: tuple[str, ...] = ()

    @classmethod
    def of(cls, message: AbstractIncomingMessage, subscription: Subscription) -> "DeadLetter":
        headers = message.headers
        event_id = _event_id(message)
        envelope = _envelope(message)
        return cls(
            id=message.message_id or event_id or _digest(message.body),
            subscription=subscription.queue,
            type=message.type or (envelope.type if envelope else ""),
            event_id=event_id,
            reason=_text(headers.get(REASON)) or _broker_reason(headers),
            error=_text(headers.get(ERROR)) or "",
            handler=_text(headers.get(HANDLER)) or "",
            attempts=int(str(headers.get(ATTEMPTS, 0))),
            parked_at=_text(headers.get(DEAD_LETTERED_AT)) or "",
            body=message.body.decode(errors="backslashreplace"),
        )


class TooOld(Exception):
    """The inbox may have forgotten this message: it needs `force`."""


class DeadLetters:
    def __init__(self, broker: Broker, registry: Iterable[Subscription] = SUBSCRIPTIONS) -> None:
        self._broker = broker
        self._registry = list(registry)

    async def counts(self) -> dict[str, int]:
        counts = {}
        async with self._broker.channel(confirms=False) as channel:
            await declare_topology(channel, self._registry)
            for subscription in self._registry:
                queue = await channel.declare_queue(f"{subscription.queue}.dead", passive=True)
                counts[subscription.queue] = queue.declaration_result.message_count or 0
        return counts

    async def find(self, subscription: str | None = None, *, limit: int = 100) -> list[DeadLetter]:
        """The oldest dead letters of one subscription, or of all, those of one event after another."""
        self._chosen(subscription)
        found: list[DeadLetter] = []
        async with self._broker.channel(confirms=False) as channel:
            for each in self._registry:
                left = max(limit, MOST_COMPARED)
                async for message in self._dead_letters(channel, each):
                    found.append(DeadLetter.of(message, each))
                    left -= 1
                    if left == 0:
                        break
        tied = _with_copies(found)
        return [letter for letter in tied if subscription in (None, letter.subscription)][:limit]

    async def subscriptions_with(self, id: str) -> list[str]:
        """The subscriptions that have a dead letter with this id, or of this event."""
        found = []
        async with self._broker.channel(confirms=False) as channel:
            for each in self._registry:
                async for message in self._dead_letters(channel, each):
                    if _has_id(message, id):
                        found.append(each.queue)
                        break
        return found

    async def replay(self, subscription: str, *, id: str | None = None, force: bool = False) -> int:
        """Return one (by its id or event id), or all, to the queue of their subscription. Returns how many.

        Raises `TooOld` at the first one older than `SAFE_AGE`, unless `force`.
        """
        (chosen,) = self._chosen(subscription)
        replayed = 0
        async with (
            self._broker.channel(confirms=True) as sending,
            self._broker.channel(confirms=False) as channel,
        ):
            async for message in self._dead_letters(channel, chosen):
                if id is None or _has_id(message, id):
                    await self._return_to_queue(ConfirmChannel(sending), chosen, message, force=force)
                    await message.ack()
                    replayed += 1
        return replayed

    async def discard(self, subscription: str, *, id: str | None = None) -> int:
        """Delete one (by its id or event id), or all. Returns how many."""
        (chosen,) = self._chosen(subscription)
        discarded = 0
        async with self._broker.channel(confirms=False) as channel:
            async for message in self._dead_letters(channel, chosen):
                if id is None or _has_id(message, id):
                    await message.ack()
                    discarded += 1
        return discarded

    async def _dead_letters(
        self, channel: AbstractChannel, subscription: Subscription
    ) -> AsyncIterator[AbstractIncomingMessage]:
        """The present dead letters. Those that are not acknowledged return when the channel ends."""
        with translate_errors():
            await declare_topology(channel, [subscription])
            queue = await channel.declare_queue(f"{subscription.queue}.dead", passive=True)
            for _ in range(queue.declaration_result.message_count or 0):
                message = await queue.get(fail=False, timeout=5)
                if message is None:
                    return
                yield message

    async def _return_to_queue(
        self, sending: ConfirmChannel, subscription: Subscription, message: AbstractIncomingMessage, *, force: bool
    ) -> None:
        queue = subscription.queue
        try:
            envelope = Envelope.decode(message.body)
        except Unreadable:
            queue = subscription.queues()[0]
        else:
            if datetime.now(UTC) - envelope.time > SAFE_AGE and not force:
                raise TooOld(
                    f"{envelope.id} is of {envelope.time:%Y-%m-%d}, and the inbox may have forgotten it: use --force"
                )
            if subscription.ordered:
                queue = subscription.queues()[partition_of(envelope.subject, subscription.partitions)]
        headers = {
            name: value
            for name, value in message.headers.items()
            if name in (EVENT_ID, ROUTING_KEY) and value is not None
        }
        await sending.publish(Publication("", queue, message.body, message.type or "", headers))

    def _chosen(self, name: str | None) -> list[Subscription]:
        chosen = [each for each in self._registry if name in (None, each.queue)]
        if not chosen:
            known = ", ".join(each.queue for each in self._registry)
            raise LookupError(f"no subscription {name!r}: there are {known}")
        return chosen


def _with_copies(letters: Sequence[DeadLetter]) -> list[DeadLetter]:
    """The letters in their order, each followed by the others of its event."""
    by_event: dict[str, list[DeadLetter]] = {}
    for letter in letters:
        by_event.setdefault(letter.event_id or f"{letter.subscription}/{letter.id}", []).append(letter)
    tied = []
    for group in by_event.values():
        queues = [letter.subscription for letter in group]
        for letter in group:
            others = tuple(sorted({queue for queue in queues if queue != letter.subscription}))
            tied.append(replace(letter, copies=others))
    return tied


def _has_id(message: AbstractIncomingMessage, id: str) -> bool:
    return id in (message.message_id, _event_id(message), _digest(message.body))


def _event_id(message: AbstractIncomingMessage) -> str | None:
    """The id of the event. Publishers other than ours may leave the header out: then that of the envelope."""
    given = _text(message.headers.get(EVENT_ID))
    if given is not None:
        return given
    envelope = _envelope(message)
    return None if envelope is None else str(envelope.id)


def _envelope(message: AbstractIncomingMessage) -> Envelope | None:
    try:
        return Envelope.decode(message.body)
    except Unreadable:
        return None


def _digest(body: bytes) -> str:
    """An id for a message that has none."""
    return f"sha256-{sha256(body).hexdigest()[:16]}"


def _text(value: Any) -> str | None:
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    return None if value is None else str(value)


def _broker_reason(headers: Any) -> str:
    """The reason of a message that the broker dead-lettered, from the broker's own header."""
    reason = headers.get("x-first-death-reason")
    return f"broker: {_text(reason)}" if reason else "unknown"
