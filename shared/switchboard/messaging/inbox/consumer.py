"""From a queue to an effect: taking messages in batches, acknowledging after the effect, retrying, parking.

The policy stands in `delivery.py`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from time import monotonic

import structlog
from aio_pika import IncomingMessage
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from aiormq.abc import DeliveredMessage

from switchboard.contracts.consumers import Subscription
from switchboard.contracts.envelope import Envelope
from switchboard.messaging.broker.connection import Broker, BrokerUnavailable, translated
from switchboard.messaging.broker.retries import Retries
from switchboard.messaging.broker.topology import DELIVERY_LIMIT, declare_topology
from switchboard.messaging.inbox.dead_lettering import DeadLetterPublisher, attempts_of
from switchboard.messaging.inbox.delivery_policy import (
    Unhandled,
    handler_name,
    is_outage,
    is_permanent,
)
from switchboard.messaging.inbox.subscriptions import Effect, Probe
from switchboard.runtime.background import Backoff, Stop
from switchboard.runtime.unavailable import Unavailable

BATCH = 100  # messages that may share one effect

log = structlog.get_logger(__name__)


class _Stopping(Exception):
    """The process is asked to stop: what is in hand returns to its queue."""


@dataclass
class _Tried:
    """How long, in seconds, and how often this consumer has tried the message that it left to another."""

    body: bytes = b""
    seconds: float = 0.0
    attempts: int = 0


class _LeftToAnother(Exception):
    """The message is not for this release: it returns, and the place goes to another instance, if one waits for it."""


class Consumer:
    """Consumes one queue of a subscription, through every loss of a server, a batch at a time.

    Of an ordered subscription's queue it is the single active consumer, or waits to become it. The channel is closed
    rather than the consumer cancelled: so what is in hand returns before another one becomes active.

    Each return counts against the broker's delivery limit. So while a server that the effect needs is away, `probe`
    is asked, with growing pauses, and nothing is taken from the queue before it says that the server is back.
    """

    def __init__(
        self,
        consuming: Broker,
        publishing: Broker,
        subscription: Subscription,
        queue: str,
        effect: Effect,
        retries: Retries,
        probe: Probe,
    ) -> None:
        self.queue = queue
        self.attached = False  # the broker has taken this consumer, and nothing was heard to the contrary
        self._consuming = consuming
        self._publishing = publishing
        self._subscription = subscription
        self._effect = effect
        self._retries = retries
        self._probe = probe
        self._backoff = Backoff()
        self._hindered = False  # the effect missed a server, and has not succeeded since
        self._arrived: asyncio.Queue[DeliveredMessage | None] = asyncio.Queue()
        self._left = _Tried()

    def resubscribe(self) -> None:
        """Give the place back and take one again, behind the other instances, once the batch in hand is through."""
        self._arrived.put_nowait(None)

    async def run(self, stop: Stop) -> None:
        interrupting = asyncio.create_task(self._interrupt_at(stop))
        while not stop.is_set():
            try:
                if self._hindered:
                    await self._probe()
                async with self._consuming.channel(confirms=False) as channel:
                    await self._attach(channel)
                    await self._work_off(stop)
            except _Stopping:
                break
            except _LeftToAnother:
                log.info("place_left_to_another", queue=self.queue)
            except Unavailable as outage:
                log.warning("consumer_waits", queue=self.queue, reason=str(outage))
                self._hindered = self._hindered or not isinstance(outage, BrokerUnavailable)
                await stop.sleep(self._backoff.pause())
            finally:
                self.attached = False
        interrupting.cancel()

    async def _attach(self, channel: AbstractChannel) -> None:
        arrived = self._arrived = asyncio.Queue()

        async def take(message: DeliveredMessage) -> None:
            arrived.put_nowait(message)

        def end(*_: object) -> None:
            arrived.put_nowait(None)

        await declare_topology(channel, [self._subscription], self._retries)
        await channel.set_qos(prefetch_count=2 * BATCH)
        channel.close_callbacks.add(end)
        # Of the library beneath: aio-pika's own object for a message is a third of the work of taking it.
        beneath = await channel.get_underlay_channel()
        beneath.on_consumer_cancel_callbacks.add(end)
        await beneath.basic_consume(self.queue, take)
        self.attached = True
        if not self._hindered:
            self._backoff.reset()

    async def _work_off(self, stop: Stop) -> None:
        """Until interrupted: the channel lost, the place given back, the end."""
        while not stop.is_set():
            batch = await self._next_batch()
            if batch is None:
                return
            await self._take(batch, stop)

    async def _next_batch(self) -> list[DeliveredMessage] | None:
        """What waits, at most `BATCH`; waits itself for the first. None: interrupted, the rest returns to the queue."""
        batch: list[DeliveredMessage] = []
        while len(batch) < BATCH and not (batch and self._arrived.empty()):
            message = await self._arrived.get()
            if message is None:
                return None
            batch.append(message)
        return batch

    async def _take(self, batch: list[DeliveredMessage], stop: Stop) -> None:
        try:
            await self._effect([Envelope.decode(message.body) for message in batch])
        except Exception as error:
            if is_outage(error):
                raise
            self._unhindered()
            log.info("batch_taken_one_by_one", queue=self.queue, messages=len(batch), reason=repr(error))
            for message in batch:
                await self._take_one(IncomingMessage(message), stop)
        else:
            self._unhindered()
            with translated():
                await _acknowledge_all(batch)

    def _unhindered(self) -> None:
        self._hindered = False
        self._backoff.reset()

    async def _take_one(self, message: AbstractIncomingMessage, stop: Stop) -> None:
        if self._subscription.ordered:
            await self._try_in_place(message, stop)
        else:
            await self._try_once(message)
        with translated():
            await message.ack()

    async def _try_in_place(self, message: AbstractIncomingMessage, stop: Stop) -> None:
        """Its partition waits for it, the others don't."""
        began = monotonic()
        before = self._left if self._left.body == message.body else _Tried()
        attempts, until = before.attempts, began + self._retries.in_place.total_seconds() - before.seconds
        while True:
            attempts += 1
            error = await self._attempt(message)
            if error is None:
                return None
            if is_permanent(error) or (attempts > 1 and monotonic() >= until):
                return await self._park(message, error, attempts)
            if await stop.sleep(self._retries.pause_in_place(attempts)):
                raise _Stopping
            if isinstance(error, Unhandled) and _may_return(message):
                self._left = _Tried(message.body, before.seconds + monotonic() - began, attempts)
                raise _LeftToAnother

    async def _try_once(self, message: AbstractIncomingMessage) -> None:
        """Put off or parked when it fails; others go on."""
        error = await self._attempt(message)
        if error is None:
            return
        attempts = attempts_of(message) + 1
        if is_permanent(error) or attempts > len(self._retries.delays):
            await self._park(message, error, attempts)
            return
        async with self._publishing.channel(confirms=True) as channel:
            pause = self._retries.delays[attempts - 1]
            await DeadLetterPublisher(channel, self._subscription).delay(message, pause, attempts=attempts)

    async def _attempt(self, message: AbstractIncomingMessage) -> Exception | None:
        try:
            await self._effect([Envelope.decode(message.body)])
        except Exception as error:
            if is_outage(error):
                raise
            log.warning("delivery_failed", queue=self.queue, exc_info=not is_permanent(error), reason=repr(error))
            return error
        return None

    async def _park(self, message: AbstractIncomingMessage, error: Exception, attempts: int) -> None:
        async with self._publishing.channel(confirms=True) as channel:
            handler = handler_name(self._effect, message.type or "")
            await DeadLetterPublisher(channel, self._subscription).park(
                message, error, handler=handler, attempts=attempts
            )
        log.error("message_parked", queue=self.queue, attempts=attempts, reason=repr(error))

    async def _interrupt_at(self, stop: Stop) -> None:
        await stop.wait()
        self._arrived.put_nowait(None)


async def _acknowledge_all(batch: list[DeliveredMessage]) -> None:
    """And what came before it on its channel."""
    last = batch[-1]
    assert last.delivery_tag is not None
    await last.channel.basic_ack(last.delivery_tag, multiple=True)


def _may_return(message: AbstractIncomingMessage) -> bool:
    """Whether it, and what was taken after it and returned at most as often, is far from the broker's limit."""
    returns = message.headers.get("x-delivery-count", 0)
    return isinstance(returns, int) and returns < DELIVERY_LIMIT // 2
