"""The outbox relay: publishes the rows of the outbox and deletes each row once its confirm has come.

Each service has one active relay, its leader, elected by a lease. A former leader that was paused may publish rows a
second time. That is harmless: they were published before in the same order, and the inboxes of the consumers skip them.
"""

import structlog

from switchboard.contracts.consumers import SUBSCRIPTIONS, Subscription
from switchboard.messaging.broker.connection import Broker
from switchboard.messaging.broker.retry_policy import DEFAULT_RETRY_POLICY, RetryPolicy
from switchboard.messaging.metrics import MessagingMetrics
from switchboard.messaging.outbox import rows as outbox
from switchboard.messaging.outbox.blocked_subjects import BlockedSubjects
from switchboard.messaging.outbox.channel_session import ChannelSession
from switchboard.messaging.outbox.publications import Publications
from switchboard.messaging.outbox.publisher import open_publishing
from switchboard.messaging.outbox.wakeups import OutboxWakeups
from switchboard.postgres.database import Database
from switchboard.postgres.leader_lease import LeaderLease
from switchboard.runtime.background import Backoff, Stop, Wakeup
from switchboard.runtime.unavailable import Unavailable

FOLLOWER_SECONDS = 2.0  # between two looks at our own lease, whose changes wake us

log = structlog.get_logger(__name__)


class Relay:
    """Run it as a loop in every instance. Only the leader publishes."""

    def __init__(
        self,
        database: Database,
        broker: Broker,
        lease: LeaderLease,
        subscriptions: tuple[Subscription, ...] = SUBSCRIPTIONS,
        retry_policy: RetryPolicy = DEFAULT_RETRY_POLICY,
        metrics: MessagingMetrics | None = None,
    ) -> None:
        self._database = database
        self._broker = broker
        self._lease = lease
        self._subscriptions = subscriptions
        self._retry_policy = retry_policy
        self._metrics = metrics or MessagingMetrics()
        self._publications = Publications(subscriptions)
        self._blocked = BlockedSubjects()
        self._wakeups = OutboxWakeups(database)
        self._elected = Wakeup()
        lease.on_change(self._elected.set)

    async def run(self, stop: Stop) -> None:
        """Publish until stopped. Messages in flight then get their confirms, or the next leader publishes them."""
        backoff = Backoff()
        while not stop.is_set():
            if not self._lease.held():
                await self._elected.wait(stop, FOLLOWER_SECONDS)
                continue
            try:
                async with open_publishing(self._broker, self._subscriptions, self._retry_policy) as channel:
                    backoff.reset()
                    session = ChannelSession(
                        self._database,
                        self._broker,
                        channel,
                        self._lease,
                        self._publications,
                        self._blocked,
                        self._wakeups,
                        self._metrics,
                    )
                    await session.run(stop)
            except Unavailable as error:
                log.warning("relay_waits", reason=str(error))
                await stop.sleep(backoff.pause())

    async def check(self, *, older_than: float = 30.0) -> None:
        """Health check: raises when the oldest row has waited longer than that many seconds. Updates the metrics."""
        async with self._database.connection() as conn:
            unsent, age = await outbox.measure(conn)
        self._metrics.outbox_unsent.set(unsent)
        self._metrics.outbox_age.set(age)
        if age > older_than:
            raise RuntimeError(f"the oldest unsent message has waited {age:.0f} s")
