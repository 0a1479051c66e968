"""Attempts to send a claimed delivery: the call of its provider, and what follows from the answer."""

import random
from collections.abc import Callable, Sequence
from datetime import timedelta

import structlog

from conversations.actions.claiming import MAX_ATTEMPTS
from conversations.actions.deliveries import outcome_of, settle_batch, settle_failure
from conversations.adapters.provider_accounts import ProviderAccounts
from conversations.adapters.provider_rate_limit import ProviderRateLimit
from conversations.adapters.sending_metrics import SendingMetrics
from conversations.domain.providers import NotSent, OutcomeUnknown, Outgoing, ProviderAccount, Throttled
from conversations.store import delivery_claims as store
from conversations.store.delivery_claims import LEASE, Claimed, Release, SendAttempt
from conversations.store.delivery_settlement import Outcome
from switchboard.postgres.database import Database
from switchboard.runtime.background import Wakeup
from switchboard.runtime.batching import Batcher
from switchboard.runtime.message_log import log_message_step
from switchboard.runtime.unavailable import Unavailable

FIRST_RETRY = 1.0  # seconds
LAST_RETRY = 60.0

log = structlog.get_logger(__name__)

Checkpoint = Callable[[str], None]


def no_checkpoint(_: str) -> None:
    """Do nothing at checkpoints, as in production."""


class DeliveryAttempts:
    """Calls the provider of a claimed delivery and saves the outcome.

    `resends`: retry after an unknown outcome, though the provider may send twice; else the delivery becomes uncertain.
    `checkpoint` is called with the name of each point at which a crash matters; tests crash the process there.
    `released` is set when a delivery went back to its queue, to be claimed again.
    """

    def __init__(
        self,
        database: Database,
        accounts: ProviderAccounts,
        rate_limit: ProviderRateLimit,
        *,
        resends: bool = False,
        checkpoint: Checkpoint = no_checkpoint,
        metrics: SendingMetrics | None = None,
    ) -> None:
        self.database = database
        self.accounts = accounts
        self.rate_limit = rate_limit
        self.checkpoint = checkpoint
        self.released = Wakeup()
        self._resends = resends
        self._metrics = metrics or SendingMetrics(accounts.providers)
        self._marking = Batcher(self._mark)
        self._settling = Batcher(self._settle)

    async def deliver(self, row: Claimed, account: ProviderAccount, checked: bool) -> None:
        """Send one delivery and settle it. After an error its lease expires, and `DeliveryRecovery` takes it.

        `checked`: whether to send it was checked right now, and the provider sends a repeated one once.
        """
        try:
            if row.campaign_id is None:
                account = await self.accounts.answering(self.database, account, row.contact_phone)
            checked = checked and account.provider in self.accounts.idempotent()
            if not checked and not await self._marking.do(SendAttempt(row.id, row.holder, account.provider)):
                await self._retry_later(row, timedelta(), uncounted=True)
                return
            await self._attempt(row, account)
        except Unavailable as error:
            log.info("delivery_left_to_recovery", delivery_id=str(row.id), reason=str(error))
        except Exception:
            log.exception("delivery_failed", delivery_id=str(row.id))

    async def _attempt(self, row: Claimed, account: ProviderAccount) -> None:
        provider = self.accounts.provider_of(account)
        answer = "unknown"
        try:
            ref = await provider.send(account, Outgoing(row.id, row.tenant_id, row.contact_phone, row.body or ""))
        except Throttled as throttled:
            answer = "throttled"
            await self.rate_limit.slow_down(account, throttled.after)
            await self._retry_later(row, timedelta(seconds=throttled.after), uncounted=True)
        except NotSent as refusal:
            answer = "refused"
            await self._not_sent(row, refusal)
        except OutcomeUnknown as unknown:
            await self._outcome_unknown(row, account, str(unknown))
        else:
            answer = "sent"
            self.checkpoint("after_yes")
            await self._settle_one(row, "sent", ref=ref, provider=account.provider)
        finally:
            self._metrics.answered(row.channel, account.provider, answer)
            log_message_step(
                "sent",
                row.traceparent,
                delivery_id=str(row.id),
                message_id=str(row.message_id),
                provider=account.provider,
                outcome=answer,
            )

    async def _not_sent(self, row: Claimed, refusal: NotSent) -> None:
        if refusal.retryable and row.attempts < MAX_ATTEMPTS:
            await self._retry_later(row, _retry_backoff(row.attempts), uncounted=False)
        else:
            self.checkpoint("before_settling")
            outcome = outcome_of(row, "failed", source=self.database.service, reason=str(refusal))
            await settle_failure(self.database, row, outcome, opted_out=refusal.opted_out)

    async def _outcome_unknown(self, row: Claimed, account: ProviderAccount, reason: str) -> None:
        """Retry with a provider that takes idempotency keys; another one might send twice."""
        if (account.provider in self.accounts.idempotent() or self._resends) and row.attempts < MAX_ATTEMPTS:
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
        source = self.database.service
        return await self._settling.do(
            outcome_of(row, status, source=source, reason=reason, ref=ref, provider=provider)
        )

    async def _retry_later(self, row: Claimed, pause: timedelta, *, uncounted: bool) -> None:
        async with self.database.connection() as conn:
            await store.release(conn, [Release(row.id, row.holder, pause, uncounted)])
        self.released.set()  # to wait until it is due

    async def _mark(self, attempts: Sequence[SendAttempt]) -> list[bool]:
        async with self.database.connection() as conn:
            marked = await store.mark_attempting(conn, attempts, lease=LEASE)
        return [(delivery_id, holder) in marked for delivery_id, holder, _ in attempts]

    async def _settle(self, outcomes: Sequence[Outcome]) -> list[bool]:
        self.checkpoint("before_settling")
        moved = await settle_batch(self.database, outcomes)
        return [one.id in moved for one in outcomes]


def _retry_backoff(attempts: int) -> timedelta:
    return timedelta(seconds=min(FIRST_RETRY * 2 ** (attempts - 1), LAST_RETRY) * random.uniform(0.8, 1.2))
