"""Sends due deliveries: as many at once as there are slots, fairly among tenants, single messages before campaigns."""

import asyncio
import random
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import structlog

from conversations.actions.claiming import claim_due_deliveries, lease_holder
from conversations.actions.messages import DELIVERIES
from conversations.domain.providers import ProviderAccount
from conversations.store import delivery_claims as store
from conversations.store.delivery_claims import Claimed, Lane, Release
from conversations.workers.delivery_attempts import DeliveryAttempts
from conversations.workers.sending_slots import SendingSlots
from switchboard.runtime.background import Stop
from switchboard.runtime.unavailable import Unavailable

SLOTS = 64
MAX_CLAIM = 64  # keeps transactions short
POLL_SECONDS = 5.0  # a notification may be lost, and another instance may have postponed a delivery
RATE_PAUSE_SECONDS = 0.05  # at least, after a refused grant: grants of twice that time are saved up
POSTPONED_SECONDS = 1.0  # while a server is unavailable

log = structlog.get_logger(__name__)


class MessageSender:
    """Claims due deliveries, and has them sent: as many at once as there are `slots`."""

    def __init__(self, attempts: DeliveryAttempts, *, instance: str, slots: int = SLOTS) -> None:
        self._attempts = attempts
        self._database = attempts.database
        self._accounts = attempts.accounts
        self._rate_limit = attempts.rate_limit
        self._holder = lease_holder(instance)
        self._slots = SendingSlots(slots)
        self._in_progress: set[asyncio.Task[None]] = set()
        self._running = False
        self._waits_for_slots = False
        self._wakeup = attempts.released
        self._database.on_notify(DELIVERIES, self._wakeup.set)

    async def run(self, stop: Stop) -> None:
        """Send until stopped. Then finish the deliveries in progress, without claiming more."""
        self._running = True
        while not stop.is_set():
            self._waits_for_slots = False
            try:
                pause = await self._round()
            except Unavailable as error:
                log.info("sending_postponed", reason=str(error))
                pause = POSTPONED_SECONDS
            await self._wakeup.wait(stop, min(pause, POLL_SECONDS))
        self._running = False
        if self._in_progress:
            await asyncio.wait(self._in_progress)

    def reserve(self, tenant_id: UUID) -> bool:
        """Reserve a slot for a delivery of this tenant. False when there is none, or the sender does not run."""
        if not self._running or self._slots.free() <= 0 or self._slots.free_of(tenant_id) <= 0:
            return False
        self._slots.take(tenant_id)
        return True

    def give_back(self, tenant_id: UUID) -> None:
        """Give a reserved slot back."""
        self._slots.give_back(tenant_id)

    def send_held(self, row: Claimed, account: ProviderAccount) -> None:
        """Send a delivery that this process holds since it was stored, with a grant of its rates."""
        self._start(row, account, checked=account.provider in self._accounts.idempotent())

    async def release_held(self, rows: Sequence[Claimed]) -> None:
        """Put deliveries that this process holds into their lanes."""
        async with self._database.connection() as conn:
            await store.release(conn, [Release(row.id, row.holder, timedelta(), True) for row in rows])
        self._database.notify(DELIVERIES)

    async def _round(self) -> float:
        """Claim from every lane once. Returns the seconds until the next round."""
        if self._slots.free() <= 0:
            self._waits_for_slots = True
            return POLL_SECONDS
        campaigns = self._slots.free_for_campaigns() > 0
        async with self._database.connection() as conn:
            lanes = await store.list_lanes(conn, campaigns=campaigns)
            accounts = {lane.tenant_id: await self._accounts.of_tenant(conn, lane.tenant_id) for lane in lanes}
            idle = POLL_SECONDS if lanes else await store.find_next_due(conn)
        waits = [POLL_SECONDS if idle is None else max(idle, 0.005)]
        exhausted: dict[str, float] = {}  # accounts without a grant left, with the seconds to wait
        for lane, share in self._turns(lanes):
            waits.append(await self._claim(lane, share, accounts[lane.tenant_id], exhausted))
        return min(waits)

    def _turns(self, lanes: Sequence[Lane]) -> list[tuple[Lane, int]]:
        """Each lane's share of the slots: single messages first, then random order, equal shares for tenants."""
        turns: list[tuple[Lane, int]] = []
        for kind in (
            [lane for lane in lanes if lane.campaign_id is None],
            [lane for lane in lanes if lane.campaign_id is not None],
        ):
            per_tenant: dict[UUID, list[Lane]] = {}
            for lane in random.sample(kind, len(kind)):
                per_tenant.setdefault(lane.tenant_id, []).append(lane)
            for of_tenant in per_tenant.values():
                share = max(1, self._slots.total // len(per_tenant) // len(of_tenant))
                turns += [(lane, min(share, MAX_CLAIM)) for lane in of_tenant]
        return turns

    async def _claim(self, lane: Lane, share: int, account: ProviderAccount, exhausted: dict[str, float]) -> float:
        """Claim and start as many as rate limits and slots allow. Returns the seconds until the lane's next turn."""
        single = lane.campaign_id is None
        free = self._slots.free() if single else self._slots.free_for_campaigns()
        wanted = min(share, free, self._slots.free_of(lane.tenant_id))
        if wanted <= 0:
            self._waits_for_slots = True
            return POLL_SECONDS
        if account.rate_limit_key in exhausted:
            return exhausted[account.rate_limit_key]
        rates = self._rate_limit.rates(account, lane.tenant_id, lane.campaign_id, lane.rate_per_second)
        grant = await self._rate_limit.grant(rates, wanted)
        if grant.count == 0:
            wait = max(grant.wait, RATE_PAUSE_SECONDS)
            if await self._rate_limit.is_exhausted(account):
                exhausted[account.rate_limit_key] = wait
            return wait
        self._attempts.checkpoint("before_claim")
        batch = await claim_due_deliveries(self._database, lane, grant.count, holder=self._holder)
        await self._rate_limit.give_back(rates, grant.count - len(batch.send))
        if batch.send:
            self._attempts.checkpoint("after_claim")
        for row in batch.send:
            self._start(row, account)
        return 0.0 if batch.claimed else 0.05

    def _start(self, row: Claimed, account: ProviderAccount, *, checked: bool = False) -> None:
        task = asyncio.create_task(self._attempts.deliver(row, account, checked))
        self._in_progress.add(task)
        campaign = row.campaign_id is not None
        self._slots.take(row.tenant_id, campaign=campaign)

        def done(_: asyncio.Task[None]) -> None:
            self._in_progress.discard(task)
            self._slots.give_back(row.tenant_id, campaign=campaign)
            if self._waits_for_slots:
                self._wakeup.set()

        task.add_done_callback(done)
