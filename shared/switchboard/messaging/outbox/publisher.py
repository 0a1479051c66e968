"""Publishing with publisher confirms, on one channel per process."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import aiormq
from aio_pika import DeliveryMode
from aio_pika.abc import AbstractChannel
from aiormq import spec
from aiormq.exceptions import (
    ChannelAccessRefused,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    DeliveryError,
    PublishError,
)

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


class ConfirmChannel:
    """An open channel with publisher confirms. Concurrent publishes keep many confirms in flight.

    It bypasses aio-pika's exchanges and uses aiormq, which need not wait until each message is written to the socket
    before it takes the next: only the confirm counts.
    """

    def __init__(self, channel: AbstractChannel) -> None:
        self._channel = channel

    async def publish(
        self,
        exchange: str,
        routing_key: str,
        body: bytes,
        *,
        type: str,
        event_id: UUID | str | None,
        headers: dict[str, Any] | None = None,
    ) -> None:
        """Publish and wait for the confirm.

        Raises `BrokerUnavailable`, `ChannelRefused`, `Unroutable` or `MessageRejected`.
        """
        properties = spec.Basic.Properties(
            content_type=CONTENT_TYPE,
            delivery_mode=DeliveryMode.PERSISTENT,
            message_type=type,
            # New for each attempt: returned messages are matched by it (aio-pika #689).
            message_id=uuid4().hex,
            timestamp=datetime.now(UTC),
            headers={"event_id": str(event_id), **(headers or {})} if event_id else headers or {},
        )
        with translate_errors():
            try:
                async with asyncio.timeout(CONFIRM_SECONDS):
                    channel = await self._channel.get_underlay_channel()
                    assert isinstance(channel, aiormq.Channel)  # `wait` is not in its abstract class
                    await channel.basic_publish(
                        body,
                        exchange=exchange,
                        routing_key=routing_key,
                        properties=properties,
                        mandatory=True,
                        wait=False,
                    )
            except PublishError as error:
                raise Unroutable(f"no queue for {routing_key!r} on {exchange!r}") from error
            except DeliveryError as error:
                raise MessageRejected(f"{routing_key!r} on {exchange!r} was rejected") from error
            except CLOSED_OVER_A_MESSAGE as error:
                raise ChannelRefused(f"the broker closed the channel: {error!r}") from error


@asynccontextmanager
async def open_publishing(
    broker: Broker, subscriptions: Iterable[Subscription], retry_policy: RetryPolicy
) -> AsyncIterator[ConfirmChannel]:
    """A channel to publish on, opened after every queue of the product is declared."""
    async with broker.channel(confirms=True) as channel:
        with translate_errors():
            await declare_topology(channel, subscriptions, retry_policy)
        yield ConfirmChannel(channel)
