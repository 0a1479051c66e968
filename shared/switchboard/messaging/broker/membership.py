"""Membership: the live instances of a service, learned from heartbeats over the broker.

RabbitMQ makes the first consumer of a queue its single active consumer and does not count those that wait. So each
instance publishes its name on a topic exchange every few seconds, and forgets instances that it has not heard for some
time. The membership is a hint for balancing partitions, never a lock.
"""

import asyncio
from time import monotonic

import aio_pika
import structlog
from aio_pika import DeliveryMode, ExchangeType
from aio_pika.abc import AbstractChannel, AbstractExchange, AbstractIncomingMessage

from switchboard.messaging.broker.connection import Broker, translate_errors
from switchboard.runtime.background import Backoff, Stop
from switchboard.runtime.unavailable import Unavailable

PEERS = "switchboard.peers"
HEARTBEAT_SECONDS = 5.0
EXPIRY_SECONDS = 17.0

log = structlog.get_logger(__name__)


class Membership:
    """Run it as a loop. `instances()` names the live instances, this one included."""

    def __init__(self, broker: Broker, service: str, instance: str) -> None:
        self._broker = broker
        self._service = service
        self._instance = instance
        self._last_heard: dict[str, float] = {}

    def instances(self) -> list[str]:
        """The live instances in sorted order, which is the same in every instance."""
        recent = monotonic() - EXPIRY_SECONDS
        self._last_heard = {name: at for name, at in self._last_heard.items() if at > recent}
        return sorted({*self._last_heard, self._instance})

    async def run(self, stop: Stop) -> None:
        """Send and receive heartbeats."""
        backoff = Backoff()
        while not stop.is_set():
            try:
                async with self._broker.channel(confirms=False) as channel:
                    with translate_errors():
                        exchange = await self._subscribe(channel)
                        backoff.reset()
                        while not await stop.sleep(HEARTBEAT_SECONDS):
                            await self._send_heartbeat(exchange)
            except Unavailable as error:
                log.info("peers_unknown", reason=str(error))
                await stop.sleep(backoff.pause())

    async def _subscribe(self, channel: AbstractChannel) -> AbstractExchange:
        exchange = await channel.declare_exchange(PEERS, ExchangeType.TOPIC, durable=True)
        name = f"{self._service}.peers.{self._instance}.{id(channel):x}"
        queue = await channel.declare_queue(name, exclusive=True, auto_delete=True)
        await queue.bind(exchange, self._service)
        await queue.consume(self._on_heartbeat, no_ack=True)
        await self._send_heartbeat(exchange)
        return exchange

    async def _on_heartbeat(self, message: AbstractIncomingMessage) -> None:
        self._last_heard[message.body.decode(errors="replace")] = monotonic()

    async def _send_heartbeat(self, exchange: AbstractExchange) -> None:
        heartbeat = aio_pika.Message(self._instance.encode(), delivery_mode=DeliveryMode.NOT_PERSISTENT)
        async with asyncio.timeout(HEARTBEAT_SECONDS):
            await exchange.publish(heartbeat, self._service, mandatory=False)
