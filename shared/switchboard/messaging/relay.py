"""From the outbox to the broker: in order per subject, many confirms in flight, a row deleted once its confirm came.

One relay a service is active, by a lease. A second one (a holder that was paused, say) would send rows again, which
the consumers' inboxes make harmless: what was sent again had been sent before, in the same order.
"""

from __future__ import annotations

import asyncio
from collections import deque
from time import monotonic

import structlog

from switchboard.contracts.consumers import SUBSCRIPTIONS, Subscription
from switchboard.messaging import outbox
from switchboard.messaging.broker import Broker
from switchboard.messaging.outbox import UnsentRow
from switchboard.messaging.publisher import Channel, Refused, Unroutable, open_publishing
from switchboard.messaging.retries import DEFAULT_RETRIES, Retries
from switchboard.messaging.work import OUTBOX
from switchboard.runtime.database import Database
from switchboard.runtime.lease import Lease
from switchboard.runtime.loops import Backoff, Stop
from switchboard.runtime.outage import Outage

WINDOW = 1000  # rows in hand: some hundreds keep the broker busy, more only wait longer for their confirms
READ = 250  # rows read at once
SUBJECT_WINDOW = 100  # of them of one subject, so that a busy one doesn't keep out the others
POLL_SECONDS = 0.5
GATHER_SECONDS = 0.01  # confirms that come within it are dropped by one statement
RETRY_SECONDS = (0.5, 1, 2, 5, 10, 30)  # of a subject whose message the broker would not take

log = structlog.get_logger(__name__)


class Relay:
    """Run it as a loop in every instance; whoever holds the lease sends."""

    def __init__(
        self,
        database: Database,
        broker: Broker,
        lease: Lease,
        subscriptions: tuple[Subscription, ...] = SUBSCRIPTIONS,
        retries: Retries = DEFAULT_RETRIES,
    ) -> None:
        self._database = database
        self._broker = broker
        self._lease = lease
        self._subscriptions = subscriptions
        self._retries = retries
        self._woken = asyncio.Event()
        database.on_nudge(OUTBOX, self._woken.set)

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
                    await _Shift(self._database, channel, self._lease, self._woken).work(stop)
            except* Outage as outages:
                log.warning("relay_waits", reason=str(_first_of(outages)))
                await stop.sleep(backoff.pause())

    async def check(self, *, older_than: float = 30.0) -> None:
        """Raises when the oldest row has waited longer than that many seconds."""
        async with self._database.connection() as conn:
            age = await outbox.find_oldest_age(conn)
        if age is not None and age > older_than:
            raise RuntimeError(f"the oldest unsent message has waited {age:.0f} s")


class _Shift:
    """The time from one opening of the channel to its loss: what is in hand is forgotten with it."""

    def __init__(self, database: Database, channel: Channel, lease: Lease, woken: asyncio.Event) -> None:
        self._database = database
        self._channel = channel
        self._lease = lease
        self._woken = woken
        self._in_hand: set[int] = set()
        self._lanes: dict[str, deque[UnsentRow]] = {}
        self._confirmed: list[int] = []
        self._some_confirmed = asyncio.Event()
        self._held_back: dict[str, tuple[int, float]] = {}  # subject -> failures, when to try again
        self._broken_off: set[str] = set()  # subjects whose lane ended with rows left, since the last reading began

    async def work(self, stop: Stop) -> None:
        async with asyncio.TaskGroup() as tasks:
            dropping = tasks.create_task(self._drop_confirmed_forever())
            async with asyncio.TaskGroup() as lanes:
                while self._lease.held() and not stop.is_set():
                    self._woken.clear()
                    if not await self._take_rows(lanes, stop):
                        await self._rest()
            dropping.cancel()
        await self._drop_confirmed()

    async def _take_rows(self, lanes: asyncio.TaskGroup, stop: Stop) -> bool:
        """Put the oldest rows on their lanes. Whether there may be more to take at once."""
        limit = min(WINDOW - len(self._in_hand), READ)
        if limit <= 0:
            return False
        self._broken_off.clear()
        async with self._database.connection() as conn:
            rows = await outbox.list_unsent(conn, besides=self._in_hand, without=self._subjects_to_leave(), limit=limit)
        for row in rows:
            if row.subject in self._broken_off:
                continue  # an earlier one of its subject was in hand as we read, and was not sent
            self._in_hand.add(row.id)
            lane = self._lanes.get(row.subject)
            if lane is None:
                self._lanes[row.subject] = deque([row])
                lanes.create_task(self._send_lane(row.subject, stop))
            else:
                lane.append(row)
        return len(rows) == limit

    def _subjects_to_leave(self) -> list[str]:
        now = monotonic()
        waiting = [subject for subject, (_, due) in self._held_back.items() if due > now]
        return waiting + [subject for subject, lane in self._lanes.items() if len(lane) >= SUBJECT_WINDOW]

    async def _send_lane(self, subject: str, stop: Stop) -> None:
        """One subject's rows, each after the confirm of the one before."""
        lane = self._lanes[subject]
        try:
            while lane and self._lease.held() and not stop.is_set():
                row = lane[0]
                await self._channel.publish(
                    row.exchange, row.routing_key, row.body, type=row.type, event_id=row.event_id
                )
                lane.popleft()
                self._confirmed.append(row.id)
                self._some_confirmed.set()
            self._held_back.pop(subject, None)
        except (Unroutable, Refused) as failure:
            self._hold_back(subject, failure)
        finally:
            if lane:
                self._broken_off.add(subject)
            del self._lanes[subject]
            self._in_hand.difference_update(row.id for row in lane)

    def _hold_back(self, subject: str, failure: Exception) -> None:
        failures, _ = self._held_back.get(subject, (0, 0.0))
        pause = RETRY_SECONDS[min(failures, len(RETRY_SECONDS) - 1)]
        self._held_back[subject] = (failures + 1, monotonic() + pause)
        log.error("message_not_taken", subject=subject, reason=str(failure), retry_in=pause)

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


def _first_of(group: BaseExceptionGroup[Exception]) -> BaseException:
    """The first error itself, however deep its group lies in others."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
