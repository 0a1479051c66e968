"""Metrics of the message bus: what a process consumes and publishes, and what waits in its outbox."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from switchboard.contracts.consumers import Subscription

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
CONSUMED = ("handled", "retried", "delayed", "dead_lettered")


class MessagingMetrics:
    """Counted in the process's memory, by subscription. `registry`: None for metrics that nobody reads."""

    def __init__(self, registry: CollectorRegistry | None = None, subscriptions: Iterable[Subscription] = ()) -> None:
        self._consumed = Counter(
            "messages_consumed_total",
            "Messages of a subscription by what became of them; a retried one is counted again later",
            ("subscription", "outcome"),
            registry=registry,
        )
        self._handling = Histogram(
            "messages_handling_seconds",
            "Time that a subscription's effect took for a batch of messages",
            ("subscription",),
            buckets=SECONDS,
            registry=registry,
        )
        self._published = Counter(
            "messages_published_total",
            "Messages of the outbox by the broker's answer; a refused one is published again",
            ("outcome",),
            registry=registry,
        )
        self.outbox_unsent = Gauge(
            "outbox_unsent_messages", "Messages in the outbox, counted up to 100,000", registry=registry
        )
        self.outbox_age = Gauge(
            "outbox_oldest_seconds", "How long the oldest message of the outbox has waited", registry=registry
        )
        self._confirmed = self._published.labels("confirmed")
        self._refused = self._published.labels("refused")
        for subscription in subscriptions:  # an increase is seen only in a series that existed before it
            self._handling.labels(subscription.queue)
            for outcome in CONSUMED:
                self._consumed.labels(subscription.queue, outcome)

    def consumed(self, subscription: Subscription, outcome: str, messages: int = 1) -> None:
        """Count messages. `outcome`: one of `CONSUMED`."""
        self._consumed.labels(subscription.queue, outcome).inc(messages)

    def handled(self, subscription: Subscription, messages: int, seconds: float) -> None:
        """Count a batch whose effect took so many seconds."""
        self._consumed.labels(subscription.queue, "handled").inc(messages)
        self._handling.labels(subscription.queue).observe(seconds)

    def published(self, *, confirmed: int, refused: int) -> None:
        """Count the broker's answers to messages that were published."""
        self._confirmed.inc(confirmed)
        if refused:
            self._refused.inc(refused)
