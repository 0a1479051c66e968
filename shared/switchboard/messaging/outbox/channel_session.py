"""A session of the outbox relay on one channel: reads the oldest rows, publishes them, deletes them in its next pass.

A pass that found fewer rows than it may read is followed by a tick: what comes meanwhile is published together. A
message that somebody waits for ends the tick. After some time without rows the session sleeps until it is notified.
"""

from collections import deque
from collections.abc import Sequence
from time import monotonic

from switchboard.messaging.broker.connection import Broker, BrokerUnavailable
from switchboard.messaging.metrics import MessagingMetrics
from switchboard.messaging.outbox import rows as outbox
from switchboard.messaging.outbox.blocked_subjects import BlockedSubjects
from switchboard.messaging.outbox.publications import Publications
from switchboard.messaging.outbox.publisher import ChannelRefused, ConfirmChannel, MessageRejected, Unroutable
from switchboard.messaging.outbox.rows import UnsentRow
from switchboard.messaging.outbox.wakeups import OutboxWakeups
from switchboard.postgres.database import Database
from switchboard.postgres.leader_lease import LeaderLease
from switchboard.runtime.background import Stop
from switchboard.runtime.message_log import log_encoded_messages

MOST_ROWS = 500  # in a pass: enough to keep the broker busy
TICK_SECONDS = 0.25
AWAKE_SECONDS = 1.2  # after the last rows; longer than `LATER_SECONDS`, between which notifications are left out
POLL_SECONDS = 5.0  # a notification may be lost


class ChannelSession:
    """Runs from the opening of the channel to its loss."""

    def __init__(
        self,
        database: Database,
        broker: Broker,
        channel: ConfirmChannel,
        lease: LeaderLease,
        publications: Publications,
        blocked: BlockedSubjects,
        wakeups: OutboxWakeups,
        metrics: MessagingMetrics,
    ) -> None:
        self._database = database
        self._broker = broker
        self._channel = channel
        self._lease = lease
        self._publications = publications
        self._blocked = blocked
        self._wakeups = wakeups
        self._metrics = metrics
        self._confirmed: list[int] = []
        self._found_rows_at = monotonic()

    async def run(self, stop: Stop) -> None:
        """Publish until stopped or no longer the leader. Raises `Unavailable` when a server is lost."""
        try:
            while self._lease.held() and not stop.is_set():
                rows = await self._next_rows()
                await self._publish(rows, stop)
                await self._retry_isolated()
                if len(rows) < MOST_ROWS:
                    await self._pause(stop)
        except ChannelRefused:
            await self._delete_confirmed()  # else they would be published again, as the first of their subjects
            raise
        await self._delete_confirmed()

    async def _next_rows(self) -> list[UnsentRow]:
        sent = self._confirmed
        async with self._database.connection() as conn:
            rows = await outbox.drop_sent_and_list_next(
                conn, sent, except_subjects=self._blocked.waiting(), limit=MOST_ROWS
            )
        self._confirmed = []
        if rows:
            self._found_rows_at = monotonic()
        return rows

    async def _publish(self, rows: list[UnsentRow], stop: Stop) -> None:
        failed: set[str] = set()  # subjects: their later rows wait
        for wave in self._publications.waves_of(rows):
            if not self._lease.held() or stop.is_set():
                return
            left = [row for row in wave if row.subject not in failed]
            failed |= await self._publish_wave(self._channel, left)

    async def _publish_wave(self, channel: ConfirmChannel, rows: list[UnsentRow]) -> set[str]:
        """Publish rows and return the subjects that are blocked now. Raises `BrokerUnavailable`."""
        outgoing = self._publications.of(rows)
        outcomes = await channel.publish_all([one.publication for one in outgoing])
        failures = {
            row.id: failure
            for one, failure in zip(outgoing, outcomes, strict=True)
            if failure is not None
            for row in one.rows
        }
        failed: set[str] = set()
        confirmed: list[UnsentRow] = []
        for row in rows:
            failure = failures.get(row.id)
            if row.subject in failed or isinstance(failure, BrokerUnavailable):
                continue
            if failure is None:
                confirmed.append(row)
                self._blocked.release(row.subject)
            else:
                failed.add(row.subject)
                self._blocked.block(row, failure)
        self._report(confirmed, refused=len(failures))
        refused = [row for row in rows if isinstance(failures.get(row.id), ChannelRefused)]
        if refused:
            self._blocked.isolate(refused)
        for failure in failures.values():
            if isinstance(failure, BrokerUnavailable):
                raise failure
        return failed

    async def _retry_isolated(self) -> None:
        """Publish one message at a time on channels that carry no others: a refused message closes its channel."""
        due = self._blocked.due_in_isolation()
        if not due:
            return
        async with self._database.connection() as conn:
            rows = deque(await outbox.list_by_id(conn, due))
        for id in due.keys() - {row.id for row in rows}:  # noqa: A001
            self._blocked.release(due[id])
        while rows and self._lease.held():
            try:
                async with self._broker.channel(confirms=True) as channel:
                    await self._publish_isolated(ConfirmChannel(channel), rows)
            except (ChannelRefused, Unroutable, MessageRejected) as failure:
                self._report([], refused=1)
                self._blocked.block(rows.popleft(), failure, isolated=isinstance(failure, ChannelRefused))

    async def _publish_isolated(self, channel: ConfirmChannel, rows: deque[UnsentRow]) -> None:
        while rows and self._lease.held():
            for one in self._publications.of([rows[0]]):
                await channel.publish(one.publication)
            row = rows.popleft()
            self._report([row])
            self._blocked.release(row.subject)

    def _report(self, confirmed: Sequence[UnsentRow], *, refused: int = 0) -> None:
        self._confirmed += [row.id for row in confirmed]
        self._metrics.published(confirmed=len(confirmed), refused=refused)
        log_encoded_messages("published", [row.body for row in confirmed])

    async def _pause(self, stop: Stop) -> None:
        """Wait for the next rows. Confirmed rows are deleted at the end of it at the latest."""
        retry = self._blocked.seconds_to_retry()
        if self._confirmed or monotonic() - self._found_rows_at < AWAKE_SECONDS:
            await self._wakeups.tick(stop, TICK_SECONDS)
        else:
            await self._wakeups.sleep(stop, POLL_SECONDS if retry is None else min(retry, POLL_SECONDS))

    async def _delete_confirmed(self) -> None:
        async with self._database.connection() as conn:
            await outbox.drop_sent(conn, self._confirmed)
        self._confirmed = []
