"""The table of a service's consumers: which function handles which message."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from switchboard.contracts.consumers import SUBSCRIPTIONS, Subscription
from switchboard.contracts.envelope import Envelope
from switchboard.contracts.message import Message
from switchboard.messaging.outbox.unit_of_work import Work

M = TypeVar("M", bound=Message)
Handler = Callable[[Any, Work], Awaitable[None]]


Effect = Callable[[list[Envelope]], Awaitable[None]]
"""Handles messages in order and returns once their effect is durable. All or nothing, and idempotent."""

Probe = Callable[[], Awaitable[None]]
"""Raises `Unavailable` while a server that an effect needs takes no writes."""


@dataclass(frozen=True)
class BatchHandler:
    """Handles the messages of a subscription in batches. `probe`: asks whether a server that was lost is back."""

    effect: Effect
    probe: Probe


class Subscriptions:
    """The handlers of a service, checked against the product's registry: none missing, none twice."""

    def __init__(self, service: str, registry: tuple[Subscription, ...] = SUBSCRIPTIONS) -> None:
        self.service = service
        self._registry = [subscription for subscription in registry if subscription.service == service]
        self._handlers: dict[str, dict[str, tuple[type[Message], Handler]]] = {
            subscription.name: {} for subscription in self._registry
        }
        self._batches: dict[str, BatchHandler] = {}

    def on(self, message: type[M], handler: Callable[[M, Work], Awaitable[None]]) -> None:
        """Handle `message` by `handler`, in the subscription that the registry assigns it to."""
        subscription = next((s for s in self._registry if message in s.types), None)
        if subscription is None or subscription.name in self._batches:
            raise LookupError(f"{self.service} subscribes to no {message.type}: add it to contracts/consumers.py")
        handlers = self._handlers[subscription.name]
        if message.type in handlers:
            raise LookupError(f"{self.service} handles {message.type} twice")
        handlers[message.type] = (message, handler)

    def on_batch(self, name: str, effect: Effect, probe: Probe) -> None:
        """Handle all messages of the subscription `name` by `effect`, in batches."""
        if name not in self._handlers:
            raise LookupError(f"{self.service} has no subscription {name}: add it to contracts/consumers.py")
        del self._handlers[name]
        self._batches[name] = BatchHandler(effect, probe)

    def batches(self) -> list[tuple[Subscription, BatchHandler]]:
        """Every subscription that has a batch handler."""
        return [(s, self._batches[s.name]) for s in self._registry if s.name in self._batches]

    def each(self) -> list[tuple[Subscription, dict[str, tuple[type[Message], Handler]]]]:
        """Every other subscription with its handlers by message type. Raises `LookupError` when a type has none."""
        handled = [subscription for subscription in self._registry if subscription.name in self._handlers]
        for subscription in handled:
            missing = {cls.type for cls in subscription.types} - set(self._handlers[subscription.name])
            if missing:
                raise LookupError(f"{subscription.queue} has no handler for {', '.join(sorted(missing))}")
        return [(subscription, self._handlers[subscription.name]) for subscription in handled]
