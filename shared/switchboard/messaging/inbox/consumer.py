"""The consumer of a queue: takes messages in batches and acknowledges them after their effect.

`delivery_policy.py` states when a message is retried and when it is dead-lettered.
"""

import asyncio
from time import perf_counter

import structlog
from aio_pika import IncomingMessage
from aio_pika.abc import AbstractChannel
from aiormq.abc import DeliveredMessage

from switchboard.contracts.consumers import Subscription
from switchboard.contracts.envelope import Envelope
from switchboard.messaging.broker.connection import Broker, BrokerUnavailable, translate_errors
from switchboard.messaging.broker.retry_policy import RetryPolicy
from switchboard.messaging.broker.topology import declare_topology
from switchboard.messaging.inbox.batch_messages import singles_of
from switchboard.messaging.inbox.delivery_policy import means_unavailable
from switchboard.messaging.inbox.retrying import HandedOver, Retrier, Stopping
from switchboard.messaging.inbox.subscriptions import BatchHandler
from switchboard.messaging.metrics import MessagingMetrics
from switchboard.runtime.background import Backoff, Stop
from switchboard.runtime.message_log import log_messages
from switchboard.runtime.unavailable import Unavailable

BATCH = 100  # messages that may share one effect
BATCHES = 10  # messages, each a batch of events
ACKNOWLEDGE_SECONDS = 0.25
"""For how long acknowledgements of batches are gathered. What returns after a crash is known by its number."""

log = structlog.get_logger(__name__)


class Consumer:
    """Consumes one queue of a subscription in batches, and resumes after every loss of a server.

    On the queue of an ordered subscription it is the single active consumer, or waits to become it. To stop, it closes
    its channel instead of cancelling the subscription: so unacknowledged messages return to the queue before another
    consumer becomes active.

    Each return of a message counts against the broker's delivery limit. So while a server that the effect needs is
    unavailable, the consumer calls the handler's `probe`, with backoff, and takes nothing from the queue until the
    server is back.
    """

    def __init__(
        self,
        consuming: Broker,
        publishing: Broker,
        subscription: Subscription,
        queue: str,
        handler: BatchHandler,
        retry_policy: RetryPolicy,
        metrics: MessagingMetrics | None = None,
    ) -> None:
        self.queue = queue
        self.subscribed = False  # the broker has accepted this consumer, and has not cancelled it
        self._broker = consuming
        self._subscription = subscription
        self._handler = handler
        self._retry_policy = retry_policy
        self._metrics = metrics or MessagingMetrics()
        self._retrier = Retrier(publishing, subscription, queue, handler.effect, retry_policy, self._metrics)
        self._backoff = Backoff()
        self._server_lost = False  # the effect failed for an unavailable server, and has not succeeded since
        self._deliveries: asyncio.Queue[DeliveredMessage | None] = asyncio.Queue()  # None: interrupt
        self._size = BATCHES if subscription.batched else BATCH
        self._unacknowledged: list[DeliveredMessage] = []  # with their effect
        self._acknowledge_at = 0.0  # on the event loop's clock

    def resubscribe(self) -> None:
        """Subscribe again after the current batch, behind the other instances: one of them becomes active."""
        self._deliveries.put_nowait(None)

    async def run(self, stop: Stop) -> None:
        """Consume until stopped. Graceful shutdown: the current batch is finished, other messages return."""
        interrupting = asyncio.create_task(self._interrupt_at(stop))
        while not stop.is_set():
            try:
                if self._server_lost:
                    await self._handler.probe()
                async with self._broker.channel(confirms=False) as channel:
                    await self._subscribe(channel)
                    await self._consume(stop)
            except Stopping:
                break
            except HandedOver:
                log.info("place_left_to_another", queue=self.queue)
            except Unavailable as error:
                log.warning("consumer_waits", queue=self.queue, reason=str(error))
                self._server_lost = self._server_lost or not isinstance(error, BrokerUnavailable)
                await stop.sleep(self._backoff.pause())
            finally:
                self.subscribed = False
        interrupting.cancel()

    async def _subscribe(self, channel: AbstractChannel) -> None:
        deliveries = self._deliveries = asyncio.Queue()
        self._unacknowledged = []

        async def take(message: DeliveredMessage) -> None:
            deliveries.put_nowait(message)

        def interrupt(*_: object) -> None:
            deliveries.put_nowait(None)

        await declare_topology(channel, [self._subscription], self._retry_policy)
        await channel.set_qos(prefetch_count=2 * self._size)
        channel.close_callbacks.add(interrupt)
        # aiormq's channel: aio-pika's message objects cost a third of the time that it takes to receive one.
        underlay = await channel.get_underlay_channel()
        underlay.on_consumer_cancel_callbacks.add(interrupt)
        await underlay.basic_consume(self.queue, take)
        self.subscribed = True
        if not self._server_lost:
            self._backoff.reset()

    async def _consume(self, stop: Stop) -> None:
        """Handle batches until interrupted: by the loss of the channel, `resubscribe` or the shutdown."""
        while not stop.is_set():
            batch = await self._next_batch()
            if batch is None:
                await self._acknowledge()
                return
            await self._handle(batch, stop)

    async def _next_batch(self) -> list[DeliveredMessage] | None:
        """The waiting messages, one to `_size`. None when interrupted: the rest returns to the queue."""
        batch: list[DeliveredMessage] = []
        while len(batch) < self._size and not (batch and self._deliveries.empty()):
            message = await self._next_delivery()
            if message is None:
                return None
            batch.append(message)
        return batch

    async def _next_delivery(self) -> DeliveredMessage | None:
        """The next message. Acknowledges meanwhile what has waited long enough."""
        if self._unacknowledged and self._deliveries.empty():
            try:
                async with asyncio.timeout_at(self._acknowledge_at):
                    return await self._deliveries.get()
            except TimeoutError:
                await self._acknowledge()
        return await self._deliveries.get()

    async def _handle(self, batch: list[DeliveredMessage], stop: Stop) -> None:
        began = perf_counter()
        try:
            envelopes = [one for message in batch for one in Envelope.decode_all(message.body)]
            await self._handler.effect(envelopes)
        except Exception as error:
            if means_unavailable(error):
                raise
            self._effect_answered()
            log.info("batch_taken_one_by_one", queue=self.queue, messages=len(batch), reason=repr(error))
            await self._acknowledge()
            for message in batch:
                await self._handle_single(message, stop)
        else:
            self._effect_answered()
            self._metrics.handled(self._subscription, len(envelopes), perf_counter() - began)
            log_messages("handled", envelopes, queue=self.queue)
            await self._handled(batch)

    async def _handle_single(self, message: DeliveredMessage, stop: Stop) -> None:
        for single in singles_of(message):
            await self._retrier.handle(IncomingMessage(single), stop)
        with translate_errors():
            await IncomingMessage(message).ack()

    async def _handled(self, batch: list[DeliveredMessage]) -> None:
        """Acknowledge messages with their effect: those of a batched subscription together with later ones."""
        if not self._unacknowledged:
            self._acknowledge_at = asyncio.get_running_loop().time() + ACKNOWLEDGE_SECONDS
        self._unacknowledged += batch
        late = asyncio.get_running_loop().time() >= self._acknowledge_at
        if late or not self._subscription.batched or len(self._unacknowledged) >= self._size:
            await self._acknowledge()

    async def _acknowledge(self) -> None:
        """Acknowledge the last message, and with it every earlier one of its channel."""
        if self._unacknowledged:
            last = self._unacknowledged[-1]
            self._unacknowledged = []
            assert last.delivery_tag is not None
            with translate_errors():
                await last.channel.basic_ack(last.delivery_tag, multiple=True)

    def _effect_answered(self) -> None:
        self._server_lost = False
        self._backoff.reset()

    async def _interrupt_at(self, stop: Stop) -> None:
        await stop.wait()
        self._deliveries.put_nowait(None)
