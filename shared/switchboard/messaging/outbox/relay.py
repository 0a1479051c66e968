"""From the outbox to the broker: in order per subject, many confirms in flight, a row deleted once its confirm came.

One relay a service is active, by a lease. A second one (a holder that was paused, say) would send rows again, which
the consumers' inboxes make harmless: what was sent again had been sent before, in the same order.

A message that the broker won't take holds back its subject alone. Some refusals close the channel, for all that is in
flight on it (no right to publish, no such exchange, too large): each of these is then tried on a channel of its own.
"""

from __future__ import annotations

import asyncio
from collections import deque
from time import monotonic

import structlog

from switchboard.contracts.consumers import SUBSCRIPTIONS, Subscription
from switchboard.messaging.broker.connection import Broker, BrokerUnavailable
from switchboard.messaging.broker.retries import DEFAULT_RETRIES, Retries
from switchboard.messaging.outbox import rows as outbox
from switchboard.messaging.outbox.blocked_subjects import BlockedSubjects
from switchboard.messaging.outbox.publisher import ChannelRefused, ConfirmChannel, Refused, Unroutable, open_publishing
from switchboard.messaging.outbox.rows import UnsentRow
from switchboard.messaging.outbox.unit_of_work import OUTBOX
from switchboard.postgres.database import Database
from switchboard.postgres.leader_lease import LeaderLease
from switchboard.runtime.background import Backoff, Stop
from switchboard.runtime.unavailable import Unavailable

WINDOW = 1000  # rows in hand: some hundreds keep the broker busy, more only wait longer for their confirms
READ = 250  # rows read at once
SUBJECT_WINDOW = 50  # of them of one subject: more than are sent until the next reading
FOR_OTHERS = WINDOW // 4  # kept for subjects of which nothing is in hand, so that busy ones don't keep them out
NEAR = 5_000  # the oldest rows, among which to look first: cheap, though they may all be of busy subjects
FAR = 1_000_000  # among which to look for other subjects now and then
FAR_SECONDS = 0.1
POLL_SECONDS = 0.5
GATHER_SECONDS = 0.01  # confirms that come within it are dropped by one statement
TRIAL_SECONDS = 0.1  # how often to look for messages that are due to be tried alone

log = structlog.get_logger(__name__)


class Relay:
    """Run it as a loop in every instance; whoever holds the lease sends."""

    def __init__(
        self,
        database: Database,
        broker: Broker,
        lease: LeaderLease,
        subscriptions: tuple[Subscription, ...] = SUBSCRIPTIONS,
        retries: Retries = DEFAULT_RETRIES,
    ) -> None:
        self._database = database
        self._broker = broker
        self._lease = lease
        self._subscriptions = subscriptions
        self._retries = retries
        self._held_back = BlockedSubjects()
        self._woken = asyncio.Event()
        database.on_notify(OUTBOX, self._woken.set)

    async def run(self, stop: Stop) -> None:
        """Until stopped: what is in flight then is left to its confirms, or to the next holder."""
        backoff = Backoff()
        while not stop.is_set():
            if not self._lease.held():
                await stop.sleep(0.2)
                continue
            try:
                async with open_publishing(self._broker, self._subscriptions, self._retries) as channel:
                    backoff = Backoff()
                    await self._shift(channel).work(stop)
            except* Unavailable as outages:
                log.warning("relay_waits", reason=str(_first_of(outages)))
                await stop.sleep(backoff.pause())

    def _shift(self, channel: ConfirmChannel) -> ChannelSession:
        return ChannelSession(self._database, self._broker, channel, self._lease, self._held_back, self._woken)

    async def check(self, *, older_than: float = 30.0) -> None:
        """Raises when the oldest row has waited longer than that many seconds."""
        async with self._database.connection() as conn:
            age = await outbox.find_oldest_age(conn)
        if age is not None and age > older_than:
            raise RuntimeError(f"the oldest unsent message has waited {age:.0f} s")


class ChannelSession:
    """The time from one opening of the channel to its loss: what is in hand is forgotten with it."""

    def __init__(
        self,
        database: Database,
        broker: Broker,
        channel: ConfirmChannel,
        lease: LeaderLease,
        held_back: BlockedSubjects,
        woken: asyncio.Event,
    ) -> None:
        self._database = database
        self._broker = broker
        self._channel = channel
        self._lease = lease
        self._held_back = held_back
        self._woken = woken
        self._in_hand: set[int] = set()
        self._lanes: dict[str, deque[UnsentRow]] = {}
        self._confirmed: list[int] = []
        self._some_confirmed = asyncio.Event()
        self._in_flight: dict[str, UnsentRow] = {}  # by subject: sent, and not heard of yet
        self._look_far_at = 0.0  # on the monotonic clock
        self._broken_off: set[str] = set()  # subjects whose lane ended with rows left, since the last reading began

    async def work(self, stop: Stop) -> None:
        """Until stopped or no longer the holder. Raises a group of `Unavailable` when a server is lost."""
        try:
            await self._send(stop)
        except* BrokerUnavailable as outages:
            if outages.subgroup(ChannelRefused) is not None:
                self._held_back.suspect(self._in_flight.values())
                await self._drop_confirmed()  # else they would be sent again, as the first of their subjects
            raise
        await self._drop_confirmed()

    async def _send(self, stop: Stop) -> None:
        async with asyncio.TaskGroup() as tasks:
            beside = [tasks.create_task(self._drop_confirmed_forever()), tasks.create_task(self._try_alone_forever())]
            async with asyncio.TaskGroup() as lanes:
                while self._lease.held() and not stop.is_set():
                    self._woken.clear()
                    if not await self._take_rows(lanes, stop):
                        await self._rest()
            for task in beside:
                task.cancel()

    async def _take_rows(self, lanes: asyncio.TaskGroup, stop: Stop) -> bool:
        """Put the oldest rows on their lanes. Whether there may be more to take at once."""
        limit = min(WINDOW - len(self._in_hand), READ)
        if limit <= 0:
            return False
        self._broken_off.clear()
        share = SUBJECT_WINDOW if len(self._in_hand) < WINDOW - FOR_OTHERS else 1
        leaving = self._subjects_with(-(-share // 2))  # a half in hand is enough: read more at a time, less often
        rows = await self._list_unsent(leaving, limit, NEAR)
        if len(rows) < limit and (leaving or len(self._in_hand) >= limit) and monotonic() >= self._look_far_at:
            rows = await self._look_far(limit) or rows
        self._put_on_lanes(rows, share, lanes, stop)
        return len(rows) == limit

    async def _look_far(self, limit: int) -> list[UnsentRow]:
        """Rows of subjects of which nothing is in hand, behind however many of busy ones. Rarely if it is slow."""
        began = monotonic()
        rows = await self._list_unsent(self._subjects_with(1), limit, FAR)
        self._look_far_at = monotonic() + max(FAR_SECONDS, 10 * (monotonic() - began))
        return rows

    async def _list_unsent(self, leaving: list[str], limit: int, among: int) -> list[UnsentRow]:
        async with self._database.connection() as conn:
            return await outbox.list_unsent(
                conn, besides=self._in_hand, without=self._held_back.waiting() + leaving, limit=limit, among=among
            )

    def _subjects_with(self, rows: int) -> list[str]:
        """Subjects of which so many rows are in hand."""
        return [subject for subject, lane in self._lanes.items() if len(lane) >= rows]

    def _put_on_lanes(self, rows: list[UnsentRow], share: int, lanes: asyncio.TaskGroup, stop: Stop) -> None:
        for row in rows:
            if row.subject in self._broken_off:
                continue  # an earlier one of its subject was in hand as we read and was not sent, or was left here
            lane = self._lanes.get(row.subject)
            if lane is not None and len(lane) >= share:
                self._broken_off.add(row.subject)
                continue
            self._in_hand.add(row.id)
            if lane is None:
                self._lanes[row.subject] = deque([row])
                lanes.create_task(self._send_lane(row.subject, stop))
            else:
                lane.append(row)

    async def _send_lane(self, subject: str, stop: Stop) -> None:
        """One subject's rows, each after the confirm of the one before."""
        lane = self._lanes[subject]
        try:
            while lane and self._lease.held() and not stop.is_set():
                row = self._in_flight[subject] = lane[0]
                await _publish(self._channel, row)
                del self._in_flight[subject]
                lane.popleft()
                self._confirm(row)
            self._held_back.release(subject)
        except (Unroutable, Refused) as failure:
            self._held_back.refused(self._in_flight.pop(subject), failure)
        finally:
            if lane:
                self._broken_off.add(subject)
            del self._lanes[subject]
            self._in_hand.difference_update(row.id for row in lane)

    async def _try_alone_forever(self) -> None:
        while True:
            due = self._held_back.due_alone()
            if due and self._lease.held():
                await self._try_alone(due)
            await asyncio.sleep(TRIAL_SECONDS)

    async def _try_alone(self, due: dict[int, str]) -> None:
        """One message at a time. A channel ends with the first that is refused on it; others are not on it."""
        async with self._database.connection() as conn:
            rows = deque(await outbox.list_by_id(conn, due))
        for id in due.keys() - {row.id for row in rows}:  # noqa: A001
            self._held_back.release(due[id])
        while rows and self._lease.held():
            try:
                async with self._broker.channel(confirms=True) as channel:
                    await self._send_alone(ConfirmChannel(channel), rows)
            except (ChannelRefused, Unroutable, Refused) as failure:
                self._held_back.refused(rows.popleft(), failure, alone=isinstance(failure, ChannelRefused))

    async def _send_alone(self, channel: ConfirmChannel, rows: deque[UnsentRow]) -> None:
        while rows and self._lease.held():
            await _publish(channel, rows[0])
            row = rows.popleft()
            self._in_hand.add(row.id)  # until it is dropped
            self._confirm(row)
            self._held_back.release(row.subject)

    def _confirm(self, row: UnsentRow) -> None:
        self._confirmed.append(row.id)
        self._some_confirmed.set()

    async def _drop_confirmed_forever(self) -> None:
        while True:
            await self._some_confirmed.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._some_confirmed.clear()
            await self._drop_confirmed()
            self._woken.set()  # there is room

    async def _drop_confirmed(self) -> None:
        if not self._confirmed:
            return
        ids, self._confirmed = self._confirmed, []
        async with self._database.connection() as conn:
            await outbox.drop_sent(conn, ids)
        self._in_hand.difference_update(ids)

    async def _rest(self) -> None:
        """Until something is written or dropped, or it is time to look anyway."""
        try:
            async with asyncio.timeout(POLL_SECONDS):
                await self._woken.wait()
        except TimeoutError:
            pass


async def _publish(channel: ConfirmChannel, row: UnsentRow) -> None:
    await channel.publish(row.exchange, row.routing_key, row.body, type=row.type, event_id=row.event_id)


def _first_of(group: BaseExceptionGroup[Exception]) -> BaseException:
    """The first error itself, however deep its group lies in others."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
