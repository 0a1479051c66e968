"""Metrics of messages: those appended, counted in this process, and those that wait, asked from the database."""

from collections import Counter as Tally
from collections.abc import Iterator, Sequence
from uuid import UUID

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.metrics_core import CounterMetricFamily
from prometheus_client.registry import Collector

from conversations.store.delivery_backlog import DeliveryBacklog, find_backlog
from switchboard.contracts.conversations import NOTE_CHANNEL, SENT_CHANNELS, ConversationMessageAppended
from switchboard.contracts.envelope import Envelope
from switchboard.process.service import Service

LARGEST_TENANTS = 10
MOST_TENANTS = 10_000  # remembered by a process


def observe_messages(service: Service) -> None:
    """Register the metrics of messages, and count what this process commits."""
    registry, database = service.metrics.registry, service.database
    appended = AppendedMessages(registry)
    backlog = BacklogGauges(registry)
    database.on_published(appended.count)

    async def measure() -> None:
        async with database.connection() as conn:
            backlog.show(await find_backlog(conn))

    service.metrics.before_scrape(measure)


class AppendedMessages(Collector):
    """Counts messages by channel and direction, and those of the tenants that have the most."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._messages = Counter(
            "conversation_messages_total",
            "Messages appended to conversations by this instance",
            ("channel", "direction"),
            registry=registry,
        )
        self._tenants: Tally[UUID] = Tally()
        registry.register(self)
        for channel in (*SENT_CHANNELS, NOTE_CHANNEL):
            self._messages.labels(channel, "out")
        for channel in SENT_CHANNELS:
            self._messages.labels(channel, "in")

    def count(self, published: Sequence[Envelope]) -> None:
        """Count the messages among these events."""
        for event in published:
            if event.type == ConversationMessageAppended.type:
                message = event.data["message"]
                self._messages.labels(message["channel"], message["direction"]).inc()
                if event.tenant_id is not None:
                    self._tenants[event.tenant_id] += 1
        if len(self._tenants) > MOST_TENANTS:
            self._tenants = Tally(dict(self._tenants.most_common(MOST_TENANTS // 2)))

    def collect(self) -> Iterator[CounterMetricFamily]:
        family = CounterMetricFamily(
            "conversation_messages_of_tenant",
            f"Messages appended by this instance, of the {LARGEST_TENANTS} tenants that have the most",
            labels=["tenant_id"],
        )
        for tenant_id, messages in self._tenants.most_common(LARGEST_TENANTS):
            family.add_metric([str(tenant_id)], messages)
        yield family


class BacklogGauges:
    """Gauges of all instances together: what waits to be sent, and how far running campaigns are."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._oldest = Gauge(
            "deliveries_oldest_seconds",
            "How long the single message that has been due longest waits to be sent",
            registry=registry,
        )
        self._waiting = Gauge(
            "deliveries_waiting", "Single messages that are due, counted up to 10,000", registry=registry
        )
        self._uncertain = Gauge(
            "deliveries_uncertain", "Deliveries of unknown outcome, counted up to 10,000", registry=registry
        )
        self._running = Gauge("campaigns_running", "Campaigns that are being sent", registry=registry)
        self._recipients = Gauge(
            "campaign_recipients",
            "Recipients of running campaigns, by whether their message is settled",
            ("state",),
            registry=registry,
        )

    def show(self, backlog: DeliveryBacklog) -> None:
        """Set the gauges."""
        self._oldest.set(backlog.oldest.total_seconds())
        self._waiting.set(backlog.waiting)
        self._uncertain.set(backlog.uncertain)
        self._running.set(backlog.campaigns)
        self._recipients.labels("settled").set(backlog.settled)
        self._recipients.labels("waiting").set(backlog.recipients - backlog.settled)
