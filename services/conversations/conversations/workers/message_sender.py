"""Sends due deliveries: as many at once as there are slots, fairly among tenants, single messages before campaigns."""

import asyncio
import random
from collections.abc import Callable, Sequence
from datetime import timedelta
from uuid import UUID

import structlog

from conversations.actions.claiming import MAX_ATTEMPTS, claim_due_deliveries, lease_holder
from conversations.actions.deliveries import outcome_of, settle_batch, settle_failure
from conversations.actions.messages import DELIVERIES
from conversations.adapters.provider_accounts import ProviderAccounts
from conversations.adapters.provider_rate_limit import ProviderRateLimit
from conversations.adapters.sending_metrics import SendingMetrics
from conversations.domain.providers import NotSent, OutcomeUnknown, Outgoing, ProviderAccount, Throttled
from conversations.store import delivery_claims as store
from conversations.store.delivery_claims import LEASE, Claimed, Lane, Release, SendAttempt
from conversations.store.delivery_settlement import Outcome
from conversations.workers.sending_slots import SendingSlots
from switchboard.postgres.database import Database
from switchboard.runtime.background import Stop, Wakeup
from switchboard.runtime.batching import Batcher
from switchboard.runtime.unavailable import Unavailable

SLOTS = 64
MAX_CLAIM = 64  # keeps transactions short
POLL_SECONDS = 5.0  # a notification may be lost, and another instance may have postponed a delivery
RATE_PAUSE_SECONDS = 0.05  # at least, after a refused grant: grants of twice that time are saved up
POSTPONED_SECONDS = 1.0  # while a server is unavailable
FIRST_RETRY = 1.0  # seconds
LAST_RETRY = 60.0

log = structlog.get_logger(__name__)

Checkpoint = Callable[[str], None]


def no_checkpoint(_: str) -> None:
    """Do nothing at checkpoints, as in production."""


class MessageSender:
    """Claims due deliveries, calls their provider and saves the outcome.

    `resends`: retry after an unknown outcome, though the provider may send twice; else the delivery becomes uncertain.
    `checkpoint` is called with the name of each point at which a crash matters; tests crash the process there.
    """

    def __init__(
        self,
        database: Database,
        accounts: ProviderAccounts,
        rate_limit: ProviderRateLimit,
        *,
        instance: str,
        slots: int = SLOTS,
        resends: bool = False,
        checkpoint: Checkpoint = no_checkpoint,
        metrics: SendingMetrics | None = None,
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._rate_limit = rate_limit
        self._holder = lease_holder(instance)
        self._resends = resends
        self._checkpoint = checkpoint
        self._metrics = metrics or SendingMetrics(accounts.providers)
        self._slots = SendingSlots(slots)
        self._in_progress: set[asyncio.Task[None]] = set()
        self._running = False
        self._waits_for_slots = False
        self._wakeup = Wakeup()
        self._marking = Batcher(self._mark)
        self._settling = Batcher(self._settle)
        database.on_notify(DELIVERIES, self._wakeup.set)

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
        self._checkpoint("before_claim")
        batch = await claim_due_deliveries(self._database, lane, grant.count, holder=self._holder)
        await self._rate_limit.give_back(rates, grant.count - len(batch.send))
        if batch.send:
            self._checkpoint("after_claim")
        for row in batch.send:
            self._start(row, account)
        return 0.0 if batch.claimed else 0.05

    def _start(self, row: Claimed, account: ProviderAccount, *, checked: bool = False) -> None:
        task = asyncio.create_task(self._deliver(row, account, checked))
        self._in_progress.add(task)
        campaign = row.campaign_id is not None
        self._slots.take(row.tenant_id, campaign=campaign)

        def done(_: asyncio.Task[None]) -> None:
            self._in_progress.discard(task)
            self._slots.give_back(row.tenant_id, campaign=campaign)
            if self._waits_for_slots:
                self._wakeup.set()

        task.add_done_callback(done)

    async def _deliver(self, row: Claimed, account: ProviderAccount, checked: bool) -> None:
        """Send one delivery and settle it. After an error its lease expires, and `DeliveryRecovery` takes it.

        `checked`: whether to send it was checked right now, and the provider sends a repeated one once.
        """
        try:
            if row.campaign_id is None:
                account = await self._accounts.answering(self._database, account, row.contact_phone)
            checked = checked and account.provider in self._accounts.idempotent()
            if not checked and not await self._marking.do(SendAttempt(row.id, row.holder, account.provider)):
                await self._retry_later(row, timedelta(), uncounted=True)
                return
            await self._attempt(row, account)
        except Unavailable as error:
            log.info("delivery_left_to_recovery", delivery_id=str(row.id), reason=str(error))
        except Exception:
            log.exception("delivery_failed", delivery_id=str(row.id))

    async def _attempt(self, row: Claimed, account: ProviderAccount) -> None:
        provider = self._accounts.provider_of(account)
        answer = "unknown"
        try:
            ref = await provider.send(account, Outgoing(row.id, row.tenant_id, row.contact_phone, row.body or ""))
        except Throttled as throttled:
            answer = "throttled"
            await self._rate_limit.slow_down(account, throttled.after)
            await self._retry_later(row, timedelta(seconds=throttled.after), uncounted=True)
        except NotSent as refusal:
            answer = "refused"
            await self._not_sent(row, refusal)
        except OutcomeUnknown as unknown:
            await self._outcome_unknown(row, account, str(unknown))
        else:
            answer = "sent"
            self._checkpoint("after_yes")
            await self._settle_one(row, "sent", ref=ref, provider=account.provider)
        finally:
            self._metrics.answered(row.channel, account.provider, answer)

    async def _not_sent(self, row: Claimed, refusal: NotSent) -> None:
        if refusal.retryable and row.attempts < MAX_ATTEMPTS:
            await self._retry_later(row, _retry_backoff(row.attempts), uncounted=False)
        else:
            self._checkpoint("before_settling")
            outcome = outcome_of(row, "failed", source=self._database.service, reason=str(refusal))
            await settle_failure(self._database, row, outcome, opted_out=refusal.opted_out)

    async def _outcome_unknown(self, row: Claimed, account: ProviderAccount, reason: str) -> None:
        """Retry with a provider that takes idempotency keys; another one might send twice."""
        if (account.provider in self._accounts.idempotent() or self._resends) and row.attempts < MAX_ATTEMPTS:
            await self._retry_later(row, _retry_backoff(row.attempts), uncounted=False)
        else:
            await self._settle_one(row, "uncertain", reason=reason, provider=account.provider)

    async def _settle_one(
        self,
        row: Claimed,
        status: str,
        *,
        reason: str | None = None,
        ref: str | None = None,
        provider: str | None = None,
    ) -> bool:
        source = self._database.service
        return await self._settling.do(
            outcome_of(row, status, source=source, reason=reason, ref=ref, provider=provider)
        )

    async def _retry_later(self, row: Claimed, pause: timedelta, *, uncounted: bool) -> None:
        async with self._database.connection() as conn:
            await store.release(conn, [Release(row.id, row.holder, pause, uncounted)])
        self._wakeup.set()  # to wait until it is due

    async def _mark(self, attempts: Sequence[SendAttempt]) -> list[bool]:
        async with self._database.connection() as conn:
            marked = await store.mark_attempting(conn, attempts, lease=LEASE)
        return [(delivery_id, holder) in marked for delivery_id, holder, _ in attempts]

    async def _settle(self, outcomes: Sequence[Outcome]) -> list[bool]:
        self._checkpoint("before_settling")
        moved = await settle_batch(self._database, outcomes)
        return [one.id in moved for one in outcomes]


def _retry_backoff(attempts: int) -> timedelta:
    return timedelta(seconds=min(FIRST_RETRY * 2 ** (attempts - 1), LAST_RETRY) * random.uniform(0.8, 1.2))
