"""Dead letters and delays: what a consumer publishes of its own, past the outbox."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from switchboard.contracts.consumers import Subscription
from switchboard.messaging.broker.routing import DEAD
from switchboard.messaging.broker.topology import delay_name
from switchboard.messaging.outbox.publisher import ConfirmChannel

ATTEMPTS = "x-switchboard-attempts"
REASON = "x-switchboard-reason"
HANDLER = "x-switchboard-handler"
ERROR = "x-switchboard-error"
PARKED_AT = "x-switchboard-parked-at"
ROUTING_KEY = "x-switchboard-routing-key"
EVENT_ID = "event_id"


class DeadLetterPublisher:
    """Publishes on a channel of its own, with confirms: a message is acknowledged only once its copy is safe."""

    def __init__(self, channel: AbstractChannel, subscription: Subscription) -> None:
        self._channel = ConfirmChannel(channel)
        self._subscription = subscription

    async def park(self, message: AbstractIncomingMessage, error: Exception, *, handler: str, attempts: int) -> None:
        """Copy it to the subscription's dead letters, with what was wrong."""
        kind = type(error)
        headers = {
            **_kept_headers(message),
            REASON: f"{kind.__module__}.{kind.__qualname__}",
            ERROR: str(error)[:2000],
            HANDLER: handler,
            ATTEMPTS: attempts,
            PARKED_AT: datetime.now(UTC).isoformat(),
            "x-switchboard-subscription": self._subscription.queue,
        }
        await self._send(DEAD, self._subscription.queue, message, headers)

    async def delay(self, message: AbstractIncomingMessage, pause: timedelta, *, attempts: int) -> None:
        """Let it come back to its queue after that pause: one that has a delay queue."""
        headers = {**_kept_headers(message), ATTEMPTS: attempts}
        await self._send(delay_name(pause), self._subscription.queue, message, headers)

    async def _send(
        self, exchange: str, routing_key: str, message: AbstractIncomingMessage, headers: dict[str, Any]
    ) -> None:
        await self._channel.publish(
            exchange, routing_key, message.body, type=message.type or "", event_id=None, headers=headers
        )


def attempts_of(message: AbstractIncomingMessage) -> int:
    """How often it was tried and put off."""
    attempts = message.headers.get(ATTEMPTS, 0)
    return attempts if isinstance(attempts, int) else 0


def _kept_headers(message: AbstractIncomingMessage) -> dict[str, Any]:
    kept = {name: value for name, value in message.headers.items() if name == EVENT_ID}
    return {**kept, ROUTING_KEY: message.headers.get(ROUTING_KEY, message.routing_key or "")}
