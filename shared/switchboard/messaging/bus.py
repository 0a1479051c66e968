"""The bus of a service: its two broker connections, and the loops that it composes from them."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry

from switchboard.contracts.consumers import RETIRED_SUBSCRIPTIONS, SUBSCRIPTIONS, Subscription
from switchboard.messaging.broker.connection import Broker
from switchboard.messaging.broker.membership import Membership
from switchboard.messaging.broker.retired_queues import RetiredQueues
from switchboard.messaging.broker.retry_policy import DEFAULT_RETRY_POLICY, RetryPolicy
from switchboard.messaging.inbox.consumer import Consumer
from switchboard.messaging.inbox.deduplication import TransactionalEffect
from switchboard.messaging.inbox.pruning import keep_pruning
from switchboard.messaging.inbox.queue_watch import QueueWatch
from switchboard.messaging.inbox.subscriptions import BatchHandler, Subscriptions
from switchboard.messaging.metrics import MessagingMetrics
from switchboard.messaging.outbox.relay import Relay
from switchboard.postgres.database import Database
from switchboard.postgres.leader_lease import LeaderLease
from switchboard.runtime.background import Loop, Stop, run_loops

RELAY_LEASE = "relay"
"""The lease of a service's outbox relay."""

Check = Callable[[], Awaitable[None]]


class Bus:
    """Gives loops to run and health checks to register. Holds the connections that both use."""

    def __init__(
        self,
        consuming: Broker,
        publishing: Broker,
        instance: str,
        registry: tuple[Subscription, ...],
        retry_policy: RetryPolicy,
        metrics: MessagingMetrics,
    ) -> None:
        self._consuming = consuming
        self._publishing = publishing
        self._instance = instance
        self._registry = registry
        self._retry_policy = retry_policy
        self._metrics = metrics
        self.checks: dict[str, Check] = {"rabbitmq": publishing.check}

    def consume(self, subscriptions: Subscriptions, database: Database | None) -> Loop:
        """Consume all subscriptions of a service.

        Handlers have an exactly-once effect: they run in a transaction with their inbox row, which needs a `database`.
        Batch handlers are idempotent themselves.
        """
        handlers = subscriptions.batches()
        for subscription, functions in subscriptions.each():
            if database is None:
                raise LookupError(f"{subscription.queue} needs a database for its inbox")
            effect = TransactionalEffect(database, subscription, functions)
            handlers.append((subscription, BatchHandler(effect, database.check_writes)))
        return self._consume(handlers)

    def relay(self, database: Database) -> Loop:
        """The service's outbox relay: the instance that holds the lease publishes, and prunes the inbox."""
        lease = LeaderLease(database, RELAY_LEASE, self._instance)
        relay = Relay(database, self._publishing, lease, self._registry, self._retry_policy, self._metrics)
        self.checks["outbox"] = relay.check
        return _together(lease.run, relay.run, lambda stop: keep_pruning(database, lease, stop))

    def _consume(self, handlers: Sequence[tuple[Subscription, BatchHandler]]) -> Loop:
        service = handlers[0][0].service
        membership = Membership(self._consuming, service, self._instance)
        loops: list[Loop] = [membership.run]
        retired = [subscription for subscription in RETIRED_SUBSCRIPTIONS if subscription.service == service]
        if retired:
            loops.append(RetiredQueues(self._consuming, retired).run)
        for subscription, handler in handlers:
            consumers = [
                Consumer(
                    self._consuming, self._publishing, subscription, queue, handler, self._retry_policy, self._metrics
                )
                for queue in subscription.queues()
            ]
            watch = QueueWatch(self._consuming, membership, self._instance, consumers)
            self.checks[subscription.queue] = watch.check
            loops += [consumer.run for consumer in consumers] + [watch.run]
        return _together(*loops)


@asynccontextmanager
async def open_bus(
    url: str,
    *,
    service: str,
    instance: str | None = None,
    registry: tuple[Subscription, ...] = SUBSCRIPTIONS,
    retry_policy: RetryPolicy = DEFAULT_RETRY_POLICY,
    metrics: CollectorRegistry | None = None,
) -> AsyncIterator[Bus]:
    """The bus. Connections are made when they are first needed, so an unavailable broker delays nothing here.

    `metrics`: where its metrics are registered.
    """
    name = instance or service
    consuming, publishing = Broker(url, f"{name} consuming"), Broker(url, f"{name} publishing")
    try:
        own = [subscription for subscription in registry if subscription.service == service]
        yield Bus(consuming, publishing, name, registry, retry_policy, MessagingMetrics(metrics, own))
    finally:
        await consuming.close()
        await publishing.close()


def _together(*loops: Loop) -> Loop:
    async def messaging(stop: Stop) -> None:
        await run_loops(loops, stop)

    return messaging
