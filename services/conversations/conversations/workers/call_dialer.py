"""Places calls: the user's own phone rings, and when answered it is connected with the contact."""

import asyncio
from datetime import timedelta
from time import monotonic

import structlog

from conversations.actions.calls import CALLS, move_call
from conversations.actions.claiming import lease_holder
from conversations.adapters.provider_accounts import ProviderAccounts
from conversations.domain.providers import NotSent, OutcomeUnknown, OutgoingCall
from conversations.store import calls as store
from switchboard.contracts.conversations import CallStatus
from switchboard.messaging.outbox.unit_of_work import open_work
from switchboard.postgres.database import Database
from switchboard.replica.user_replica import find_user
from switchboard.runtime.background import Stop, Wakeup
from switchboard.runtime.unavailable import Unavailable

POLL_SECONDS = 5.0  # a notification may be lost
ACTIVE_POLL_SECONDS = 1.0  # for calls to be tried again
ACTIVE_SECONDS = 60.0  # after a call was claimed
CONCURRENCY = 8
LEASE = timedelta(seconds=30)
MAX_ATTEMPTS = 5
USER_EVENT_WITHIN = timedelta(seconds=30)
"""The scheduler accepted the call because the user had a phone. Auth's event about it may arrive here later."""
RETRY_AFTER = timedelta(milliseconds=500)

log = structlog.get_logger(__name__)


class CallDialer:
    """Claims due calls under a lease and places them. A call that may have rung is never placed again."""

    def __init__(self, database: Database, accounts: ProviderAccounts, *, instance: str) -> None:
        self._database = database
        self._accounts = accounts
        self._holder = lease_holder(instance)
        self._wakeup = Wakeup()
        database.on_notify(CALLS, self._wakeup.set)

    async def run(self, stop: Stop) -> None:
        active_until = 0.0
        while not stop.is_set():
            try:
                while not stop.is_set() and await self.place_due_calls():
                    active_until = monotonic() + ACTIVE_SECONDS
            except Unavailable as error:
                log.info("calls_postponed", reason=str(error))
            await self._wakeup.wait(stop, ACTIVE_POLL_SECONDS if monotonic() < active_until else POLL_SECONDS)

    async def place_due_calls(self) -> int:
        """Place some of the due calls. Returns how many were claimed."""
        async with self._database.connection() as conn:
            calls = await store.claim_due_calls(conn, CONCURRENCY, holder=self._holder, lease=LEASE)
        await asyncio.gather(*(self._place(call) for call in calls))
        return len(calls)

    async def _place(self, claimed: store.ClaimedCall) -> None:
        if claimed.attempted:  # the process that claimed it ended while placing it: it may have rung
            return await self._move(claimed, "ringing", reason="outcome unknown")
        async with self._database.connection() as conn:
            user = await find_user(conn, claimed.tenant_id, claimed.user_id)
            account = await self._accounts.of_tenant(conn, claimed.tenant_id)
            if user is None or user.disabled or user.notify_phone is None:
                if claimed.age < USER_EVENT_WITHIN:
                    return await store.postpone_call(conn, claimed.id, RETRY_AFTER)
                why = "the user is disabled" if user and user.disabled else "the user has no notify_phone"
                return await self._move(claimed, "failed", reason=why)
            if not await store.mark_call_attempting(conn, claimed.id, self._holder, account.provider):
                return None
        provider = self._accounts.provider_of(account)
        call = OutgoingCall(claimed.id, claimed.tenant_id, user.notify_phone, claimed.contact_phone)
        try:
            ref = await provider.call(account, call)
        except NotSent as refusal:
            if refusal.retryable and claimed.attempts < MAX_ATTEMPTS:
                async with self._database.connection() as conn:
                    await store.retry_call(conn, claimed.id, timedelta(seconds=5 * claimed.attempts))
                return None
            return await self._move(claimed, "failed", reason=str(refusal))
        except OutcomeUnknown as unknown:
            return await self._move(claimed, "ringing", reason=f"outcome unknown: {unknown}")
        return await self._move(claimed, "ringing", provider=account.provider, ref=ref)

    async def _move(
        self,
        claimed: store.ClaimedCall,
        status: CallStatus,
        *,
        reason: str | None = None,
        provider: str | None = None,
        ref: str | None = None,
    ) -> None:
        async with open_work(self._database, tenant_id=claimed.tenant_id) as work:
            call = await store.find_locked_call(work.conn, claimed.id)
            if call is None:
                return
            await move_call(work, call, status, reason=reason, provider=provider, provider_ref=ref)
