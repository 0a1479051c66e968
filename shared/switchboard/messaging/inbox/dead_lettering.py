"""Dead-lettering and delaying: what a consumer publishes without the outbox."""

from datetime import UTC, datetime, timedelta
from typing import Any

from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from switchboard.contracts.consumers import Subscription
from switchboard.messaging.broker.routing import DEAD, EVENT_ID
from switchboard.messaging.broker.topology import delay_name
from switchboard.messaging.inbox.deduplication import TransactionalEffect
from switchboard.messaging.inbox.subscriptions import Effect
from switchboard.messaging.outbox.publisher import ConfirmChannel, Publication

ATTEMPTS = "x-switchboard-attempts"
REASON = "x-switchboard-reason"
HANDLER = "x-switchboard-handler"
ERROR = "x-switchboard-error"
DEAD_LETTERED_AT = "x-switchboard-parked-at"
ROUTING_KEY = "x-switchboard-routing-key"


class DeadLetterPublisher:
    """Publishes with publisher confirms: a message is acknowledged only once its copy is safe."""

    def __init__(self, channel: AbstractChannel, subscription: Subscription) -> None:
        self._channel = ConfirmChannel(channel)
        self._subscription = subscription

    async def dead_letter(
        self, message: AbstractIncomingMessage, error: Exception, *, handler: str, attempts: int
    ) -> None:
        """Copy the message to the subscription's dead letters, with the error."""
        kind = type(error)
        headers = {
            **_kept_headers(message),
            REASON: f"{kind.__module__}.{kind.__qualname__}",
            ERROR: str(error)[:2000],
            HANDLER: handler,
            ATTEMPTS: attempts,
            DEAD_LETTERED_AT: datetime.now(UTC).isoformat(),
            "x-switchboard-subscription": self._subscription.queue,
        }
        await self._send(DEAD, self._subscription.queue, message, headers)

    async def delay(self, message: AbstractIncomingMessage, pause: timedelta, *, attempts: int) -> None:
        """Copy the message to the delay queue of that pause, from which it returns to its own queue."""
        headers = {**_kept_headers(message), ATTEMPTS: attempts}
        await self._send(delay_name(pause), self._subscription.queue, message, headers)

    async def _send(
        self, exchange: str, routing_key: str, message: AbstractIncomingMessage, headers: dict[str, Any]
    ) -> None:
        await self._channel.publish(Publication(exchange, routing_key, message.body, message.type or "", headers))


def attempts_of(message: AbstractIncomingMessage) -> int:
    """The number of attempts before this one."""
    attempts = message.headers.get(ATTEMPTS, 0)
    return attempts if isinstance(attempts, int) else 0


def handler_name(effect: Effect, message_type: str) -> str:
    """The name of the handler of this type, for the operator who reads the dead letter."""
    if isinstance(effect, TransactionalEffect) and message_type in effect.handlers:
        handler = effect.handlers[message_type][1]
        return f"{handler.__module__}.{handler.__qualname__}"
    return getattr(effect, "__qualname__", type(effect).__qualname__)


def _kept_headers(message: AbstractIncomingMessage) -> dict[str, Any]:
    kept = {name: value for name, value in message.headers.items() if name == EVENT_ID}
    return {**kept, ROUTING_KEY: message.headers.get(ROUTING_KEY, message.routing_key or "")}
