"""Queues of earlier releases: deleted once no instance of such a release consumes them.

Else they would fill for ever.
"""

import structlog
from aio_pika.abc import AbstractChannel, AbstractQueue
from aiormq.exceptions import ChannelNotFoundEntity

from switchboard.contracts.consumers import Subscription
from switchboard.messaging.broker.connection import Broker
from switchboard.runtime.background import Stop
from switchboard.runtime.unavailable import Unavailable

LOOK_SECONDS = 60.0

log = structlog.get_logger(__name__)


class RetiredQueues:
    """Run it as a loop in the service that the queues belonged to."""

    def __init__(self, broker: Broker, subscriptions: list[Subscription], look_seconds: float = LOOK_SECONDS) -> None:
        self._broker = broker
        self._subscriptions = subscriptions
        self._look_seconds = look_seconds
        self._unconsumed: set[str] = set()  # at the last look

    async def run(self, stop: Stop) -> None:
        """Look at intervals. A queue without consumers at two looks is deleted with its messages.

        An instance of the earlier release may just be restarting, or the release may return: it declares its queues
        again.
        """
        while not await stop.sleep(self._look_seconds):
            try:
                for subscription in self._subscriptions:
                    left = [await self._look_at(queue) for queue in subscription.queues()]
                    if not any(left):
                        await self._delete_rest(subscription)
            except Unavailable:
                self._unconsumed.clear()

    async def _look_at(self, name: str) -> bool:
        """Delete the queue if nobody has consumed it for some time. Returns whether it is still there."""
        async with self._broker.channel(confirms=False) as channel:
            queue = await _find(channel, name)
            if queue is None:
                return False
            if queue.declaration_result.consumer_count:
                self._unconsumed.discard(name)
            elif name not in self._unconsumed:
                self._unconsumed.add(name)
            else:
                self._unconsumed.discard(name)
                await channel.queue_delete(name)  # quorum queues can't be asked to be unused or empty
                log.info("retired_queue_deleted", queue=name)
                return False
            return True

    async def _delete_rest(self, subscription: Subscription) -> None:
        """Delete the exchange of its partitions, and the queue of its dead letters if there are none."""
        async with self._broker.channel(confirms=False) as channel:
            await channel.exchange_delete(subscription.queue)  # no error where it is gone
            dead = await _find(channel, f"{subscription.queue}.dead")
            if dead is not None and not dead.declaration_result.message_count:
                await channel.queue_delete(dead.name)


async def _find(channel: AbstractChannel, name: str) -> AbstractQueue | None:
    """The queue, with its counts. The broker closes the channel if there is none."""
    try:
        return await channel.declare_queue(name, passive=True)
    except ChannelNotFoundEntity:
        return None
