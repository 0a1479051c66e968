"""Publishing with the broker's confirmation, one channel for all of a process."""

from __future__ import annotations

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
from switchboard.messaging.broker.connection import Broker, BrokerUnavailable, translated
from switchboard.messaging.broker.retries import Retries
from switchboard.messaging.broker.topology import declare_topology

CONFIRM_SECONDS = 30.0


class Unroutable(Exception):
    """No queue takes this message: the topology is not what it should be."""


class Refused(Exception):
    """The broker said no to this message."""


class ChannelRefused(BrokerUnavailable):
    """The broker closed the channel over a message that was in flight on it: this one or another."""


CLOSED_OVER_A_MESSAGE = (ChannelAccessRefused, ChannelNotFoundEntity, ChannelPreconditionFailed)


class ConfirmChannel:
    """An open channel to publish on. Awaiting many publishes together keeps many confirms in flight.

    It goes past aio-pika's exchanges to the library beneath, which need not see each message written out to the
    socket before it takes the next: only its confirm counts.
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
        """Publish and wait for the confirm. Raises `BrokerUnavailable`, `ChannelRefused`, `Unroutable`, `Refused`."""
        properties = spec.Basic.Properties(
            content_type=CONTENT_TYPE,
            delivery_mode=DeliveryMode.PERSISTENT,
            message_type=type,
            # Fresh for each attempt: returns are matched by it (aio-pika #689).
            message_id=uuid4().hex,
            timestamp=datetime.now(UTC),
            headers={"event_id": str(event_id), **(headers or {})} if event_id else headers or {},
        )
        with translated():
            try:
                async with asyncio.timeout(CONFIRM_SECONDS):
                    beneath = await self._channel.get_underlay_channel()
                    assert isinstance(beneath, aiormq.Channel)  # `wait` is not in its abstract class
                    await beneath.basic_publish(
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
                raise Refused(f"{routing_key!r} on {exchange!r} was refused") from error
            except CLOSED_OVER_A_MESSAGE as error:
                raise ChannelRefused(f"the broker closed the channel: {error!r}") from error


@asynccontextmanager
async def open_publishing(
    broker: Broker, subscriptions: Iterable[Subscription], retries: Retries
) -> AsyncIterator[ConfirmChannel]:
    """A channel to publish on, after every queue of the product is declared."""
    async with broker.channel(confirms=True) as channel:
        with translated():
            await declare_topology(channel, subscriptions, retries)
        yield ConfirmChannel(channel)
