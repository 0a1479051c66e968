"""Watches a process's consumers: the broker must still have them, and partitions are balanced over instances.

A broker can drop a consumer without notice. And it makes the first consumer of a queue its single active consumer, so
the first instance to start would keep every partition. So when instances come or go, each one resubscribes to the
partitions that belong to another instance, and queues up behind it.
"""

import itertools

import structlog
from aio_pika.abc import AbstractChannel

from switchboard.messaging.broker.connection import Broker
from switchboard.messaging.broker.membership import Membership
from switchboard.messaging.inbox.consumer import Consumer
from switchboard.runtime.background import Stop
from switchboard.runtime.unavailable import Unavailable

WATCH_SECONDS = 3.0  # balancing asks nobody
CHECK_EACH = 4  # how many of these intervals: each check opens a channel and asks for every queue

log = structlog.get_logger(__name__)


class QueueWatch:
    """Run it as a loop next to the consumers of a subscription, one per partition."""

    def __init__(self, broker: Broker, membership: Membership, instance: str, consumers: list[Consumer]) -> None:
        self._broker = broker
        self._membership = membership
        self._instance = instance
        self._consumers = consumers
        self._last_seen: list[str] = [instance]
        self._balanced_over: list[str] = [instance]
        self._unconsumed: set[str] = set()  # queues that had no consumer when last checked

    async def run(self, stop: Stop) -> None:
        """Check the queues, and balance the partitions, at intervals."""
        for count in itertools.count(1):
            if await stop.sleep(WATCH_SECONDS):
                return
            self._balance()
            if count % CHECK_EACH:
                continue
            try:
                async with self._broker.channel(confirms=False) as channel:
                    for consumer in self._consumers:
                        await self._check_queue(channel, consumer)
            except Unavailable:
                self._unconsumed.clear()

    async def check(self) -> None:
        """Health check: raises when a queue has no consumer of this process."""
        unsubscribed = [consumer.queue for consumer in self._consumers if not consumer.subscribed]
        if unsubscribed:
            raise RuntimeError(f"no consumer on {', '.join(unsubscribed)}")

    def _balance(self) -> None:
        """Resubscribe once for each change of the membership, after it was seen twice."""
        before, self._last_seen = self._last_seen, self._membership.instances()
        instances = self._last_seen
        if len(self._consumers) < 2 or instances != before or instances == self._balanced_over:
            return
        self._balanced_over = instances
        for partition, consumer in enumerate(self._consumers):
            if instances[partition % len(instances)] != self._instance:
                log.info("partition_left_to_another", queue=consumer.queue, instances=len(instances))
                consumer.resubscribe()

    async def _check_queue(self, channel: AbstractChannel, consumer: Consumer) -> None:
        queue = await channel.declare_queue(consumer.queue, passive=True)
        if queue.declaration_result.consumer_count or not consumer.subscribed:
            self._unconsumed.discard(consumer.queue)
        elif consumer.queue in self._unconsumed:
            log.error("consumer_lost", queue=consumer.queue)
            consumer.resubscribe()
        else:
            self._unconsumed.add(consumer.queue)  # it may just be subscribing: check once more
