"""A service's place on the bus: its two connections, and the loops that a service composes from them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from switchboard.contracts.consumers import SUBSCRIPTIONS, Subscription
from switchboard.messaging.broker.connection import Broker
from switchboard.messaging.broker.membership import Membership
from switchboard.messaging.broker.retries import DEFAULT_RETRIES, Retries
from switchboard.messaging.inbox.consumer import Consumer
from switchboard.messaging.inbox.delivery_policy import TransactionalEffect
from switchboard.messaging.inbox.queue_watch import QueueWatch
from switchboard.messaging.inbox.subscriptions import Effect, Probe, Subscriptions
from switchboard.messaging.outbox.relay import Relay
from switchboard.messaging.pruning import prune_forever
from switchboard.postgres.database import Database
from switchboard.postgres.leader_lease import LeaderLease
from switchboard.runtime.background import Loop, Stop, run_loops

Check = Callable[[], Awaitable[None]]


class Bus:
    """Gives loops to run and checks to report; holds the connections that both use."""

    def __init__(
        self,
        consuming: Broker,
        publishing: Broker,
        instance: str,
        registry: tuple[Subscription, ...],
        retries: Retries,
    ) -> None:
        self._consuming = consuming
        self._publishing = publishing
        self._instance = instance
        self._registry = registry
        self._retries = retries
        self.checks: dict[str, Check] = {"rabbitmq": publishing.check}

    def consume(self, subscriptions: Subscriptions, database: Database | None) -> Loop:
        """Consume all subscriptions of a service, with exactly-once effect.

        Handlers run in a transaction with their inbox row, which needs a `database`; batch handlers are idempotent
        themselves.
        """
        consumers: list[tuple[Subscription, Effect, Probe]] = [
            (subscription, batch.effect, batch.probe) for subscription, batch in subscriptions.batches()
        ]
        for subscription, handlers in subscriptions.each():
            if database is None:
                raise LookupError(f"{subscription.queue} needs a database for its inbox")
            effect = TransactionalEffect(database, subscription, handlers)
            consumers.append((subscription, effect, database.check_writes))
        return self._consume(consumers)

    def relay(self, database: Database) -> Loop:
        """The service's outbox: whichever instance holds the lease sends."""
        lease = LeaderLease(database, "relay", self._instance)
        relay = Relay(database, self._publishing, lease, self._registry, self._retries)
        self.checks["outbox"] = relay.check
        return _together(lease.run, relay.run, lambda stop: prune_forever(database, lease, stop))

    def _consume(self, subscriptions: Sequence[tuple[Subscription, Effect, Probe]]) -> Loop:
        peers = Membership(self._consuming, subscriptions[0][0].service, self._instance)
        loops: list[Loop] = [peers.run]
        for subscription, effect, probe in subscriptions:
            consumers = [
                Consumer(self._consuming, self._publishing, subscription, queue, effect, self._retries, probe)
                for queue in subscription.queues()
            ]
            watch = QueueWatch(self._consuming, peers, self._instance, consumers)
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
    retries: Retries = DEFAULT_RETRIES,
) -> AsyncIterator[Bus]:
    """Connections are made when first needed: a broker that is away delays nothing here."""
    name = instance or service
    consuming, publishing = Broker(url, f"{name} consuming"), Broker(url, f"{name} publishing")
    try:
        yield Bus(consuming, publishing, name, registry, retries)
    finally:
        await consuming.close()
        await publishing.close()


def _together(*loops: Loop) -> Loop:
    async def messaging(stop: Stop) -> None:
        await run_loops(list(loops), stop)

    return messaging
