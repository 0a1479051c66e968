"""A watch over a process's consumers: that the broker still has them, and that partitions are spread.

A broker can drop a consumer without a word reaching us. And the place of the single active consumer goes to whoever
came first: the first instance up would keep every partition. So an instance that sees others come begins anew on its
share of the partitions, and queues up behind them there.
"""

from __future__ import annotations

from zlib import crc32

import structlog
from aio_pika.abc import AbstractChannel

from switchboard.messaging.broker import Broker
from switchboard.messaging.consumer import Consumer
from switchboard.runtime.loops import Stop
from switchboard.runtime.outage import Outage

WATCH_SECONDS = 3.0

log = structlog.get_logger(__name__)


class Watch:
    """Run it as a loop beside its consumers."""

    def __init__(self, broker: Broker, instance: str, consumers: list[Consumer]) -> None:
        self._broker = broker
        self._turn = crc32(instance.encode())
        self._consumers = consumers
        self._counts: dict[str, int] = {}

    async def run(self, stop: Stop) -> None:
        while not await stop.sleep(WATCH_SECONDS):
            try:
                async with self._broker.channel(confirms=False) as channel:
                    for partition, consumer in enumerate(self._consumers):
                        await self._look_at(channel, consumer, partition)
            except Outage:
                self._counts.clear()

    async def check(self) -> None:
        """Raises when a queue has no consumer of ours."""
        detached = [consumer.queue for consumer in self._consumers if not consumer.attached]
        if detached:
            raise RuntimeError(f"no consumer on {', '.join(detached)}")

    async def _look_at(self, channel: AbstractChannel, consumer: Consumer, partition: int) -> None:
        queue = await channel.declare_queue(consumer.queue, passive=True)
        count = queue.declaration_result.consumer_count or 0
        before, self._counts[consumer.queue] = self._counts.get(consumer.queue, count), count
        if count == before == 0 and consumer.attached:
            log.error("consumer_lost", queue=consumer.queue)
            consumer.begin_anew()
        elif count > before and len(self._consumers) > 1 and (partition + self._turn) % count != 0:
            log.info("place_given_back", queue=consumer.queue, consumers=count)
            consumer.begin_anew()
