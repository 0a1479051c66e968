"""A watch over a process's consumers: that the broker still has them, and that partitions are spread.

A broker can drop a consumer without a word reaching us. And the place of a queue's single active consumer goes to
whoever came first: the first instance up would keep every partition. So when instances come or go, each begins anew
on the partitions that are another's by turn, and so queues up behind it.
"""

from __future__ import annotations

import structlog
from aio_pika.abc import AbstractChannel

from switchboard.messaging.broker.connection import Broker
from switchboard.messaging.broker.membership import Membership
from switchboard.messaging.inbox.consumer import Consumer
from switchboard.runtime.background import Stop
from switchboard.runtime.unavailable import Unavailable

WATCH_SECONDS = 3.0

log = structlog.get_logger(__name__)


class QueueWatch:
    """Run it as a loop beside its consumers, one a partition."""

    def __init__(self, broker: Broker, peers: Membership, instance: str, consumers: list[Consumer]) -> None:
        self._broker = broker
        self._peers = peers
        self._instance = instance
        self._consumers = consumers
        self._seen: list[str] = [instance]  # at the last look
        self._spread_over: list[str] = [instance]
        self._unattended: set[str] = set()

    async def run(self, stop: Stop) -> None:
        while not await stop.sleep(WATCH_SECONDS):
            self._spread()
            try:
                async with self._broker.channel(confirms=False) as channel:
                    for consumer in self._consumers:
                        await self._look_at(channel, consumer)
            except Unavailable:
                self._unattended.clear()

    async def check(self) -> None:
        """Raises when a queue has no consumer of ours."""
        detached = [consumer.queue for consumer in self._consumers if not consumer.attached]
        if detached:
            raise RuntimeError(f"no consumer on {', '.join(detached)}")

    def _spread(self) -> None:
        """Once for each change of who lives, and not before it was seen twice."""
        before, self._seen = self._seen, self._peers.names()
        if len(self._consumers) < 2 or self._seen != before or self._seen == self._spread_over:
            return
        self._spread_over = self._seen
        for partition, consumer in enumerate(self._consumers):
            if self._seen[partition % len(self._seen)] != self._instance:
                log.info("partition_left_to_another", queue=consumer.queue, instances=len(self._seen))
                consumer.resubscribe()

    async def _look_at(self, channel: AbstractChannel, consumer: Consumer) -> None:
        queue = await channel.declare_queue(consumer.queue, passive=True)
        if queue.declaration_result.consumer_count or not consumer.attached:
            self._unattended.discard(consumer.queue)
        elif consumer.queue in self._unattended:
            log.error("consumer_lost", queue=consumer.queue)
            consumer.resubscribe()
        else:
            self._unattended.add(consumer.queue)  # may be on its way: look once more
