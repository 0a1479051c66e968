"""Publishing with publisher confirms: any number of messages in one write, one channel per process."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import aiormq
import pamqp.frame
from aio_pika import DeliveryMode
from aio_pika.abc import AbstractChannel
from aiormq import spec
from aiormq.abc import ChannelFrame
from aiormq.exceptions import (
    ChannelAccessRefused,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    DeliveryError,
    PublishError,
)
from pamqp.base import Frame
from pamqp.body import ContentBody
from pamqp.header import ContentHeader

from switchboard.contracts.consumers import Subscription
from switchboard.contracts.envelope import CONTENT_TYPE
from switchboard.messaging.broker.connection import Broker, BrokerUnavailable, translate_errors
from switchboard.messaging.broker.retry_policy import RetryPolicy
from switchboard.messaging.broker.topology import declare_topology

CONFIRM_SECONDS = 30.0


class Unroutable(Exception):
    """No queue is bound for this message: the topology is not as declared."""


class MessageRejected(Exception):
    """The broker rejected this message with a negative confirm."""


class ChannelRefused(BrokerUnavailable):
    """The broker closed the channel because of a message in flight: this one or another."""


CLOSED_OVER_A_MESSAGE = (ChannelAccessRefused, ChannelNotFoundEntity, ChannelPreconditionFailed)


@dataclass(frozen=True, slots=True)
class Publication:
    """A message to publish. `mandatory`: it fails as `Unroutable` where no queue is bound for it."""

    exchange: str
    routing_key: str
    body: bytes
    type: str
    headers: Mapping[str, Any] = field(default_factory=dict)
    content_type: str = CONTENT_TYPE
    mandatory: bool = True


class ConfirmChannel:
    """An open channel with publisher confirms.

    It writes the frames of all messages at once to aiormq's queue of the connection, and counts their confirms.
    aiormq's own publish needs a task and two futures for each message.
    """

    def __init__(self, channel: AbstractChannel) -> None:
        self._channel = channel

    async def publish(self, publication: Publication) -> None:
        """Publish and wait for the confirm.

        Raises `BrokerUnavailable`, `ChannelRefused`, `Unroutable` or `MessageRejected`.
        """
        (failure,) = await self.publish_all([publication])
        if failure is not None:
            raise failure

    async def publish_all(self, publications: Sequence[Publication]) -> list[Exception | None]:
        """Publish in this order, in one write, and wait for all confirms.

        Returns the failure of each as `publish` raises it, None for one that is confirmed. Raises `BrokerUnavailable`
        when nothing was written.
        """
        with translate_errors():
            channel = await self._channel.get_underlay_channel()
            assert isinstance(channel, aiormq.Channel)  # its locks and queues are not in its abstract class
            confirms = _Confirms(channel, len(publications))
            try:
                async with asyncio.timeout(CONFIRM_SECONDS):
                    await _write(channel, publications, confirms)
                    await asyncio.wait([confirms.all])
            except TimeoutError:
                pass  # those that are missing count as lost
        return [
            _failure(outcome, publication)
            for outcome, publication in zip(confirms.outcomes(), publications, strict=True)
        ]


async def _write(channel: aiormq.Channel, publications: Sequence[Publication], confirms: "_Confirms") -> None:
    """Write the frames of all messages, and register their confirms under the channel's next delivery tags."""
    sent_at = datetime.now(UTC)
    async with channel.lock:
        frames: list[bytes] = []
        returnable: list[str] = []
        for index, publication in enumerate(publications):
            message_id = uuid4().hex  # new for each attempt: a returned message is matched by it
            channel.delivery_tag += 1
            channel.confirmations[channel.delivery_tag] = confirms.expect(index)  # type: ignore[assignment]
            if publication.mandatory:
                channel.message_id_delivery_tag[message_id] = channel.delivery_tag
                returnable.append(message_id)
            frames += _frames(channel, publication, message_id, sent_at)
        confirms.all.add_done_callback(lambda _: _forget(channel, returnable))
        await channel.write_queue.put(ChannelFrame(payload=b"".join(frames), should_close=False))


def _forget(channel: aiormq.Channel, message_ids: Iterable[str]) -> None:
    for message_id in message_ids:
        channel.message_id_delivery_tag.pop(message_id, None)


def _frames(channel: aiormq.Channel, publication: Publication, message_id: str, sent_at: datetime) -> list[bytes]:
    method = spec.Basic.Publish(
        exchange=publication.exchange, routing_key=publication.routing_key, mandatory=publication.mandatory
    )
    properties = spec.Basic.Properties(
        content_type=publication.content_type,
        delivery_mode=DeliveryMode.PERSISTENT,
        message_type=publication.type,
        message_id=message_id,
        timestamp=sent_at,
        headers=dict(publication.headers),
    )
    body, size = publication.body, channel.max_content_size
    parts: list[Frame | ContentHeader | ContentBody] = [
        method,
        ContentHeader(body_size=len(body), properties=properties),
    ]
    parts += [ContentBody(body[at : at + size]) for at in range(0, len(body), size)]
    return [pamqp.frame.marshal(part, channel.number) for part in parts]


class _Confirms:
    """The confirms of messages that were written together. `all` is done when each has its outcome."""

    def __init__(self, channel: aiormq.Channel, count: int) -> None:
        self.all = channel.create_future()  # the channel's end completes it, with the error
        self._outcomes: list[BaseException | None] = [MissingConfirm()] * count
        self._missing = count

    def expect(self, index: int) -> "_Confirm":
        return _Confirm(self, index)

    def set_outcome(self, index: int, outcome: BaseException | None) -> None:
        self._outcomes[index] = outcome
        self._missing -= 1
        if not self._missing and not self.all.done():
            self.all.set_result(None)

    def outcomes(self) -> list[BaseException | None]:
        lost = self.all.exception() if self.all.done() and not self.all.cancelled() else None
        return [lost if lost and isinstance(one, MissingConfirm) else one for one in self._outcomes]


class MissingConfirm(BrokerUnavailable):
    """The broker has not answered in time, or the channel ended before it did."""


class _Confirm:
    """Stands for one message's future among aiormq's `confirmations`."""

    __slots__ = ("_confirms", "_done", "_index")

    def __init__(self, confirms: _Confirms, index: int) -> None:
        self._confirms = confirms
        self._index = index
        self._done = False

    def done(self) -> bool:
        return self._done

    def cancelled(self) -> bool:
        return False

    def set_result(self, _: object) -> None:
        self._finish(None)

    def set_exception(self, error: BaseException) -> None:
        self._finish(error)

    def _finish(self, outcome: BaseException | None) -> None:
        if not self._done:
            self._done = True
            self._confirms.set_outcome(self._index, outcome)


def _failure(outcome: BaseException | None, publication: Publication) -> Exception | None:
    where = f"{publication.routing_key!r} on {publication.exchange!r}"
    match outcome:
        case None | BrokerUnavailable():
            return outcome
        case PublishError():
            return Unroutable(f"no queue for {where}")
        case DeliveryError():
            return MessageRejected(f"{where} was rejected")
        case error if isinstance(error, CLOSED_OVER_A_MESSAGE):
            return ChannelRefused(f"the broker closed the channel: {error!r}")
        case error:
            return BrokerUnavailable(f"RabbitMQ is unavailable: {error!r}")


@asynccontextmanager
async def open_publishing(
    broker: Broker, subscriptions: Iterable[Subscription], retry_policy: RetryPolicy
) -> AsyncIterator[ConfirmChannel]:
    """A channel to publish on, opened after every queue of the product is declared."""
    async with broker.channel(confirms=True) as channel:
        with translate_errors():
            await declare_topology(channel, subscriptions, retry_policy)
        yield ConfirmChannel(channel)
