"""Retries of single messages: in place where order matters, through delay queues where it does not."""

from dataclasses import dataclass
from time import monotonic, perf_counter

import structlog
from aio_pika.abc import AbstractIncomingMessage

from switchboard.contracts.consumers import Subscription
from switchboard.contracts.envelope import Envelope
from switchboard.messaging.broker.connection import Broker
from switchboard.messaging.broker.retry_policy import RetryPolicy
from switchboard.messaging.broker.topology import DELIVERY_LIMIT
from switchboard.messaging.inbox.dead_lettering import DeadLetterPublisher, attempts_of, handler_name
from switchboard.messaging.inbox.delivery_policy import Unhandled, is_permanent, means_unavailable
from switchboard.messaging.inbox.subscriptions import Effect
from switchboard.messaging.metrics import MessagingMetrics
from switchboard.runtime.background import Stop
from switchboard.runtime.message_log import log_messages

log = structlog.get_logger(__name__)


class Stopping(Exception):
    """The process is shutting down: unacknowledged messages return to their queue."""


class HandedOver(Exception):
    """This release does not handle the message: it returns, and another instance becomes active if one waits."""


@dataclass(frozen=True)
class _Progress:
    """Attempts at the message that was handed over last, and the seconds that they took."""

    body: bytes = b""
    seconds: float = 0.0
    attempts: int = 0


class Retrier:
    """Handles one message at a time, and retries or dead-letters those that fail."""

    def __init__(
        self,
        publishing: Broker,
        subscription: Subscription,
        queue: str,
        effect: Effect,
        policy: RetryPolicy,
        metrics: MessagingMetrics,
    ) -> None:
        self._publishing = publishing
        self._subscription = subscription
        self._queue = queue
        self._effect = effect
        self._policy = policy
        self._metrics = metrics
        self._handed_over = _Progress()

    async def handle(self, message: AbstractIncomingMessage, stop: Stop) -> None:
        """Return once the message may be acknowledged: handled, delayed or dead-lettered.

        Raises `Stopping`, `HandedOver`, or `Unavailable` when a server is lost.
        """
        if self._subscription.ordered:
            await self._retry_in_place(message, stop)
        else:
            await self._retry_later(message)

    async def _retry_in_place(self, message: AbstractIncomingMessage, stop: Stop) -> None:
        """Retry the message while its partition waits and other partitions go on."""
        began = monotonic()
        before = self._handed_over if self._handed_over.body == message.body else _Progress()
        attempts, until = before.attempts, began + self._policy.in_place.total_seconds() - before.seconds
        while True:
            attempts += 1
            error = await self._attempt(message)
            if error is None:
                return
            if is_permanent(error) or (attempts > 1 and monotonic() >= until):
                await self._dead_letter(message, error, attempts)
                return
            self._metrics.consumed(self._subscription, "retried")
            if await stop.sleep(self._policy.pause_in_place(attempts)):
                raise Stopping
            if isinstance(error, Unhandled) and _may_return(message):
                self._handed_over = _Progress(message.body, before.seconds + monotonic() - began, attempts)
                raise HandedOver

    async def _retry_later(self, message: AbstractIncomingMessage) -> None:
        """Handle the message, or send it to a delay queue or to the dead letters. Others go on."""
        error = await self._attempt(message)
        if error is None:
            return
        attempts = attempts_of(message) + 1
        if is_permanent(error) or attempts > len(self._policy.delays):
            await self._dead_letter(message, error, attempts)
            return
        async with self._publishing.channel(confirms=True) as channel:
            pause = self._policy.delays[attempts - 1]
            await DeadLetterPublisher(channel, self._subscription).delay(message, pause, attempts=attempts)
        self._metrics.consumed(self._subscription, "delayed")

    async def _attempt(self, message: AbstractIncomingMessage) -> Exception | None:
        began = perf_counter()
        try:
            envelope = Envelope.decode(message.body)
            await self._effect([envelope])
        except Exception as error:
            if means_unavailable(error):
                raise
            log.warning("delivery_failed", queue=self._queue, exc_info=not is_permanent(error), reason=repr(error))
            return error
        self._metrics.handled(self._subscription, 1, perf_counter() - began)
        log_messages("handled", [envelope], queue=self._queue)
        return None

    async def _dead_letter(self, message: AbstractIncomingMessage, error: Exception, attempts: int) -> None:
        async with self._publishing.channel(confirms=True) as channel:
            handler = handler_name(self._effect, message.type or "")
            await DeadLetterPublisher(channel, self._subscription).dead_letter(
                message, error, handler=handler, attempts=attempts
            )
        self._metrics.consumed(self._subscription, "dead_lettered")
        log.error("message_parked", queue=self._queue, attempts=attempts, reason=repr(error))


def _may_return(message: AbstractIncomingMessage) -> bool:
    """Whether the message, and those behind it that returned as often, are far from the broker's delivery limit."""
    returns = message.headers.get("x-delivery-count", 0)
    return isinstance(returns, int) and returns < DELIVERY_LIMIT // 2
