"""A session of the outbox relay on one channel: in order within a subject, with many confirms in flight.

Rows are read in batches and queued by subject. Each subject's queue publishes one message after the confirm of the
previous one. Confirmed rows are deleted in batches. A busy subject gets a limited share, so that it
does not starve others.
"""

import asyncio
from collections import deque
from time import monotonic

from switchboard.messaging.broker.connection import Broker, BrokerUnavailable
from switchboard.messaging.outbox import rows as outbox
from switchboard.messaging.outbox.blocked_subjects import BlockedSubjects
from switchboard.messaging.outbox.publisher import ChannelRefused, ConfirmChannel, MessageRejected, Unroutable
from switchboard.messaging.outbox.rows import UnsentRow
from switchboard.postgres.database import Database
from switchboard.postgres.leader_lease import LeaderLease
from switchboard.runtime.background import Stop, Wakeup

MOST_ROWS = 1000  # in progress: some hundreds keep the broker busy, more only wait longer for their confirms
READ_BATCH = 250  # rows
MOST_OF_SUBJECT = 50  # rows in progress of one subject: more than are published until the next read
RESERVED = MOST_ROWS // 4  # rows kept for subjects without any in progress, so that busy ones don't starve them
LOOKAHEAD = 5_000  # the oldest rows, read first: cheap, though all of them may be of busy subjects
LONG_LOOKAHEAD = 1_000_000  # read now and then, for other subjects
LONG_LOOKAHEAD_SECONDS = 0.1  # at least, between two of them
POLL_SECONDS = 0.5
DELETE_DELAY_SECONDS = 0.01  # confirms that come within it are deleted by one statement
ISOLATION_SECONDS = 0.1  # between two looks for messages that are due on a separate channel


class ChannelSession:
    """Runs from the opening of the channel to its loss. Its rows in progress are forgotten with it."""

    def __init__(
        self,
        database: Database,
        broker: Broker,
        channel: ConfirmChannel,
        lease: LeaderLease,
        blocked: BlockedSubjects,
        wakeup: Wakeup,
    ) -> None:
        self._database = database
        self._broker = broker
        self._channel = channel
        self._lease = lease
        self._blocked = blocked
        self._wakeup = wakeup
        self._in_progress: set[int] = set()  # read and not deleted yet
        self._queues: dict[str, deque[UnsentRow]] = {}  # by subject
        self._in_flight: dict[str, UnsentRow] = {}  # by subject: published, and not confirmed yet
        self._confirmed: list[int] = []
        self._any_confirmed = asyncio.Event()
        self._interrupted: set[str] = set()  # subjects with rows left when their queue ended, since the last read
        self._next_long_lookahead = 0.0  # on the monotonic clock

    async def run(self, stop: Stop) -> None:
        """Publish until stopped or no longer the leader. Raises a group of `Unavailable` when a server is lost."""
        try:
            await self._publish_all(stop)
        except* BrokerUnavailable as errors:
            if errors.subgroup(ChannelRefused) is not None:
                self._blocked.isolate(self._in_flight.values())
                await self._delete_confirmed()  # else they would be published again, as the first of their subjects
            raise
        await self._delete_confirmed()

    async def _publish_all(self, stop: Stop) -> None:
        async with asyncio.TaskGroup() as tasks:
            background = [
                tasks.create_task(self._keep_deleting_confirmed()),
                tasks.create_task(self._keep_retrying_isolated()),
            ]
            async with asyncio.TaskGroup() as publishing:
                while self._lease.held() and not stop.is_set():
                    if not await self._read_rows(publishing, stop):
                        await self._wakeup.wait(stop, POLL_SECONDS)
            for task in background:
                task.cancel()

    async def _read_rows(self, publishing: asyncio.TaskGroup, stop: Stop) -> bool:
        """Queue the oldest rows by subject. Returns whether there may be more to read at once."""
        limit = min(MOST_ROWS - len(self._in_progress), READ_BATCH)
        if limit <= 0:
            return False
        self._interrupted.clear()
        share = MOST_OF_SUBJECT if len(self._in_progress) < MOST_ROWS - RESERVED else 1
        busy = self._subjects_with(-(-share // 2))  # with half of a share: read more at a time, less often
        rows = await self._list_unsent(busy, limit, LOOKAHEAD)
        if len(rows) < limit and (busy or len(self._in_progress) >= limit) and monotonic() >= self._next_long_lookahead:
            rows = await self._look_far_ahead(limit) or rows
        self._enqueue(rows, share, publishing, stop)
        return len(rows) == limit

    async def _look_far_ahead(self, limit: int) -> list[UnsentRow]:
        """Rows of subjects with none in progress, behind many rows of busy ones. Rarely if it is slow."""
        began = monotonic()
        rows = await self._list_unsent(self._subjects_with(1), limit, LONG_LOOKAHEAD)
        self._next_long_lookahead = monotonic() + max(LONG_LOOKAHEAD_SECONDS, 10 * (monotonic() - began))
        return rows

    async def _list_unsent(self, busy: list[str], limit: int, among: int) -> list[UnsentRow]:
        async with self._database.connection() as conn:
            return await outbox.list_unsent(
                conn,
                except_ids=self._in_progress,
                except_subjects=self._blocked.waiting() + busy,
                limit=limit,
                among=among,
            )

    def _subjects_with(self, rows: int) -> list[str]:
        """Subjects that have at least so many rows queued."""
        return [subject for subject, queue in self._queues.items() if len(queue) >= rows]

    def _enqueue(self, rows: list[UnsentRow], share: int, publishing: asyncio.TaskGroup, stop: Stop) -> None:
        for row in rows:
            if row.subject in self._interrupted:
                continue  # an earlier row of its subject was not published, or was not queued
            queue = self._queues.get(row.subject)
            if queue is not None and len(queue) >= share:
                self._interrupted.add(row.subject)
                continue
            self._in_progress.add(row.id)
            if queue is None:
                self._queues[row.subject] = deque([row])
                publishing.create_task(self._publish_subject(row.subject, stop))
            else:
                queue.append(row)

    async def _publish_subject(self, subject: str, stop: Stop) -> None:
        """Publish one subject's rows, each after the confirm of the one before."""
        queue = self._queues[subject]
        try:
            while queue and self._lease.held() and not stop.is_set():
                row = self._in_flight[subject] = queue[0]
                await _publish(self._channel, row)
                del self._in_flight[subject]
                queue.popleft()
                self._confirm(row)
            self._blocked.release(subject)
        except (Unroutable, MessageRejected) as failure:
            self._blocked.block(self._in_flight.pop(subject), failure)
        finally:
            if queue:
                self._interrupted.add(subject)
            del self._queues[subject]
            self._in_progress.difference_update(row.id for row in queue)

    async def _keep_retrying_isolated(self) -> None:
        while True:
            due = self._blocked.due_in_isolation()
            if due and self._lease.held():
                await self._retry_isolated(due)
            await asyncio.sleep(ISOLATION_SECONDS)

    async def _retry_isolated(self, due: dict[int, str]) -> None:
        """Publish one message at a time on channels that carry no others: a refused message closes its channel."""
        async with self._database.connection() as conn:
            rows = deque(await outbox.list_by_id(conn, due))
        for id in due.keys() - {row.id for row in rows}:  # noqa: A001
            self._blocked.release(due[id])
        while rows and self._lease.held():
            try:
                async with self._broker.channel(confirms=True) as channel:
                    await self._publish_isolated(ConfirmChannel(channel), rows)
            except (ChannelRefused, Unroutable, MessageRejected) as failure:
                self._blocked.block(rows.popleft(), failure, isolated=isinstance(failure, ChannelRefused))

    async def _publish_isolated(self, channel: ConfirmChannel, rows: deque[UnsentRow]) -> None:
        while rows and self._lease.held():
            await _publish(channel, rows[0])
            row = rows.popleft()
            self._in_progress.add(row.id)  # until it is deleted
            self._confirm(row)
            self._blocked.release(row.subject)

    def _confirm(self, row: UnsentRow) -> None:
        self._confirmed.append(row.id)
        self._any_confirmed.set()

    async def _keep_deleting_confirmed(self) -> None:
        while True:
            await self._any_confirmed.wait()
            await asyncio.sleep(DELETE_DELAY_SECONDS)
            self._any_confirmed.clear()
            await self._delete_confirmed()
            self._wakeup.set()  # there is room for more rows

    async def _delete_confirmed(self) -> None:
        if not self._confirmed:
            return
        ids, self._confirmed = self._confirmed, []
        async with self._database.connection() as conn:
            await outbox.drop_sent(conn, ids)
        self._in_progress.difference_update(ids)


async def _publish(channel: ConfirmChannel, row: UnsentRow) -> None:
    await channel.publish(row.exchange, row.routing_key, row.body, type=row.type, event_id=row.event_id)
