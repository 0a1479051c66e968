"""Who else is there: the living instances of a service, as they tell one another over the broker.

RabbitMQ gives the place of a single active consumer to whoever came first, and its counts leave out those who wait. So
each instance says its name on a topic exchange every other second, and forgets who was not heard of for some time.
It is a hint for spreading work, never a lock.
"""

from __future__ import annotations

import asyncio
from time import monotonic

import aio_pika
import structlog
from aio_pika import DeliveryMode, ExchangeType
from aio_pika.abc import AbstractChannel, AbstractExchange, AbstractIncomingMessage

from switchboard.messaging.broker.connection import Broker, translated
from switchboard.runtime.background import Backoff, Stop
from switchboard.runtime.unavailable import Unavailable

PEERS = "switchboard.peers"
BEAT_SECONDS = 2.0
FORGOTTEN_SECONDS = 7.0

log = structlog.get_logger(__name__)


class Membership:
    """Run it as a loop; `names()` is who lives, this instance among them."""

    def __init__(self, broker: Broker, service: str, instance: str) -> None:
        self._broker = broker
        self._service = service
        self._instance = instance
        self._heard: dict[str, float] = {}

    def names(self) -> list[str]:
        """Sorted, so that every instance sees the same order."""
        recent = monotonic() - FORGOTTEN_SECONDS
        self._heard = {name: at for name, at in self._heard.items() if at > recent}
        return sorted({*self._heard, self._instance})

    async def run(self, stop: Stop) -> None:
        backoff = Backoff()
        while not stop.is_set():
            try:
                async with self._broker.channel(confirms=False) as channel:
                    with translated():
                        exchange = await self._listen(channel)
                        backoff.reset()
                        while not await stop.sleep(BEAT_SECONDS):
                            await self._beat(exchange)
            except Unavailable as outage:
                log.info("peers_unknown", reason=str(outage))
                await stop.sleep(backoff.pause())

    async def _listen(self, channel: AbstractChannel) -> AbstractExchange:
        exchange = await channel.declare_exchange(PEERS, ExchangeType.TOPIC, durable=True)
        name = f"{self._service}.peers.{self._instance}.{id(channel):x}"
        queue = await channel.declare_queue(name, exclusive=True, auto_delete=True)
        await queue.bind(exchange, self._service)
        await queue.consume(self._hear, no_ack=True)
        await self._beat(exchange)
        return exchange

    async def _hear(self, message: AbstractIncomingMessage) -> None:
        self._heard[message.body.decode(errors="replace")] = monotonic()

    async def _beat(self, exchange: AbstractExchange) -> None:
        beat = aio_pika.Message(self._instance.encode(), delivery_mode=DeliveryMode.NOT_PERSISTENT)
        async with asyncio.timeout(BEAT_SECONDS):
            await exchange.publish(beat, self._service, mandatory=False)
