"""The loop that sends: as many at a time as there are slots, tenants by turns, single messages before campaigns."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from uuid import UUID

import structlog

from conversations.actions import claiming
from conversations.actions.deliveries import news_of, settle_failure, settle_quickly
from conversations.actions.messages import DELIVERIES
from conversations.adapters.provider_accounts import Accounts
from conversations.adapters.provider_rate_limit import Pace
from conversations.domain.providers import Account, NotSent, OutcomeUnknown, Outgoing, Throttled
from conversations.store import deliveries as store
from conversations.store.deliveries import Claimed, Lane, News
from conversations.workers.batching import Together
from switchboard.postgres.database import Database
from switchboard.runtime.background import Stop
from switchboard.runtime.unavailable import Unavailable

SLOTS = 64
FOR_SINGLES = 0.5  # of the slots, never a campaign's: a tenant's own single messages go past its campaigns, too
FOR_OTHERS = 0.25  # of the slots, never one tenant's: its provider may hang
MOST_AT_ONCE = 64  # in one claim: short transactions, and turns for all
POLL_SECONDS = 1.0
MOST_ATTEMPTS = 8
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0

log = structlog.get_logger(__name__)

Checkpoint = Callable[[str], None]


class Sender:
    """`checkpoint` is called at named points of a delivery's way; tests end the process there.

    `uncertain_policy`: `hold` an unknown outcome for its receipt or an operator, or `resend`.
    """

    def __init__(
        self,
        database: Database,
        accounts: Accounts,
        pace: Pace,
        *,
        instance: str,
        uncertain_policy: str = "hold",
        checkpoint: Checkpoint = lambda _: None,
        slots: int = SLOTS,
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._pace = pace
        self._holder = claiming.new_holder(instance)
        self._resends = uncertain_policy == "resend"
        self._checkpoint = checkpoint
        self._slots = slots
        self._in_hand: set[asyncio.Task[None]] = set()
        self._of_campaigns = 0
        self._of_tenants: Counter[UUID] = Counter()
        self._wake = asyncio.Event()
        self._marking = Together(self._mark)
        self._settling = Together(self._settle)
        database.on_notify(DELIVERIES, self._wake.set)

    async def run(self, stop: Stop) -> None:
        """Until stopped; then what is in hand is finished, and nothing more is claimed."""
        stopping = asyncio.create_task(self._wake_at(stop))
        while not stop.is_set():
            self._wake.clear()
            try:
                pause = await self._round()
            except Unavailable as outage:
                log.info("sending_waits", reason=str(outage))
                pause = POLL_SECONDS
            await self._sleep(pause)
        if self._in_hand:
            await asyncio.wait(self._in_hand)
        stopping.cancel()

    async def _wake_at(self, stop: Stop) -> None:
        await stop.wait()
        self._wake.set()

    async def _sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        try:
            async with asyncio.timeout(min(seconds, POLL_SECONDS)):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _round(self) -> float:
        """Every lane once. Seconds until another round is worth it."""
        free = self._slots - len(self._in_hand)
        if free <= 0:
            return POLL_SECONDS  # the end of any task wakes us
        campaigns = self._free_for_campaigns() > 0
        async with self._database.connection() as conn:
            lanes = await store.list_lanes(conn, campaigns=campaigns)
            accounts = {lane.tenant_id: await self._accounts.of_tenant(conn, lane.tenant_id) for lane in lanes}
            idle = POLL_SECONDS if lanes else await store.find_next_due(conn)
        waits = [POLL_SECONDS if idle is None else max(idle, 0.005)]
        for lane, share in self._turns(lanes):
            waits.append(await self._take(lane, share, accounts[lane.tenant_id]))
        return min(waits)

    def _turns(self, lanes: Sequence[Lane]) -> list[tuple[Lane, int]]:
        """Who may take how many: singles first; among equals chance, and an equal share to each tenant."""
        turns: list[tuple[Lane, int]] = []
        for kind in (
            [lane for lane in lanes if lane.campaign_id is None],
            [lane for lane in lanes if lane.campaign_id is not None],
        ):
            per_tenant: dict[UUID, list[Lane]] = {}
            for lane in random.sample(kind, len(kind)):
                per_tenant.setdefault(lane.tenant_id, []).append(lane)
            for of_tenant in per_tenant.values():
                share = max(1, self._slots // len(per_tenant) // len(of_tenant))
                turns += [(lane, min(share, MOST_AT_ONCE)) for lane in of_tenant]
        return turns

    def _free_for_campaigns(self) -> int:
        most = int(self._slots * (1 - FOR_SINGLES))
        return min(most - self._of_campaigns, self._slots - len(self._in_hand))

    async def _take(self, lane: Lane, share: int, account: Account) -> float:
        """Claim what pace and slots allow, and start it. Seconds until this lane may have more."""
        single = lane.campaign_id is None
        free = self._slots - len(self._in_hand) if single else self._free_for_campaigns()
        wanted = min(share, free, int(self._slots * (1 - FOR_OTHERS)) - self._of_tenants[lane.tenant_id])
        if wanted <= 0:
            return POLL_SECONDS
        buckets = self._pace.buckets(account, lane.tenant_id, lane.campaign_id, lane.rate_per_second)
        grant = await self._pace.grant(buckets, wanted)
        if grant.count == 0:
            return max(grant.wait, 0.002)
        self._checkpoint("before_claim")
        taken = await claiming.take(self._database, lane, grant.count, holder=self._holder)
        await self._pace.give_back(buckets, grant.count - len(taken.send))
        if taken.send:
            self._checkpoint("after_claim")
        for row in taken.send:
            self._start(row, account)
        return 0.0 if taken.claimed else 0.05

    def _start(self, row: Claimed, account: Account) -> None:
        task = asyncio.create_task(self._deliver(row, account))
        self._in_hand.add(task)
        self._of_campaigns += row.campaign_id is not None
        self._of_tenants[row.tenant_id] += 1

        def done(_: asyncio.Task[None]) -> None:
            self._in_hand.discard(task)
            self._of_campaigns -= row.campaign_id is not None
            self._of_tenants -= Counter([row.tenant_id])  # and forgotten at zero
            self._wake.set()

        task.add_done_callback(done)

    async def _deliver(self, row: Claimed, account: Account) -> None:
        """One delivery, from mark to settlement. Whatever goes wrong in between is the lease's to mend."""
        try:
            if not await self._marking.do((row.id, row.holder, account.provider)):
                await self._put_back(row, timedelta(), uncounted=True)
                return
            await self._attempt(row, account)
        except Unavailable as outage:
            log.info("delivery_left_to_its_lease", delivery_id=str(row.id), reason=str(outage))
        except Exception:
            log.exception("delivery_broke", delivery_id=str(row.id))

    async def _attempt(self, row: Claimed, account: Account) -> None:
        provider = self._accounts.provider_of(account)
        try:
            ref = await provider.send(account, Outgoing(row.id, row.tenant_id, row.contact_phone, row.body or ""))
        except Throttled as throttled:
            await self._pace.slow_down(account, throttled.after)
            await self._put_back(row, timedelta(seconds=throttled.after), uncounted=True)
        except NotSent as refusal:
            await self._refused(row, refusal)
        except OutcomeUnknown as unknown:
            await self._unknown(row, account, str(unknown))
        else:
            self._checkpoint("after_yes")
            await self._news(row, "sent", ref=ref, provider=account.provider)

    async def _refused(self, row: Claimed, refusal: NotSent) -> None:
        if refusal.again and row.attempts < MOST_ATTEMPTS:
            await self._put_back(row, _backoff(row.attempts), uncounted=False)
        else:
            self._checkpoint("before_settling")
            news = news_of(row, "failed", source=self._database.service, reason=str(refusal))
            await settle_failure(self._database, row, news)

    async def _unknown(self, row: Claimed, account: Account, reason: str) -> None:
        """Who takes keys is asked again; for others, asking again might send twice."""
        if (account.provider in self._accounts.keyed() or self._resends) and row.attempts < MOST_ATTEMPTS:
            await self._put_back(row, _backoff(row.attempts), uncounted=False)
        else:
            await self._news(row, "uncertain", reason=reason, provider=account.provider)

    async def _news(
        self,
        row: Claimed,
        status: str,
        *,
        reason: str | None = None,
        ref: str | None = None,
        provider: str | None = None,
    ) -> bool:
        source = self._database.service
        return await self._settling.do(news_of(row, status, source=source, reason=reason, ref=ref, provider=provider))

    async def _put_back(self, row: Claimed, pause: timedelta, *, uncounted: bool) -> None:
        async with self._database.connection() as conn:
            await store.release(conn, [(row.id, row.holder, pause, uncounted)])

    async def _mark(self, marks: Sequence[tuple[UUID, str, str]]) -> list[bool]:
        async with self._database.connection() as conn:
            marked = await store.mark_attempting(conn, marks, lease=claiming.LEASE)
        return [(delivery_id, holder) in marked for delivery_id, holder, _ in marks]

    async def _settle(self, news: Sequence[News]) -> list[bool]:
        self._checkpoint("before_settling")
        moved = await settle_quickly(self._database, news)
        return [one.id in moved for one in news]


def _backoff(attempts: int) -> timedelta:
    return timedelta(seconds=min(FIRST_PAUSE * 2 ** (attempts - 1), LONGEST_PAUSE) * random.uniform(0.8, 1.2))
