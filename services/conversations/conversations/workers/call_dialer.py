"""The loop that places calls: the user's own phone rings; who answers is connected with the contact."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import structlog

from conversations.actions.calls import CALLS, move_call
from conversations.actions.claiming import new_holder
from conversations.adapters.provider_accounts import Accounts
from conversations.domain.providers import NotSent, OutcomeUnknown, OutgoingCall
from conversations.store import calls as store
from switchboard.contracts.conversations import CallStatus
from switchboard.messaging.outbox.unit_of_work import open_work
from switchboard.postgres.database import Database
from switchboard.replica.user_replica import find_user
from switchboard.runtime.background import Stop
from switchboard.runtime.unavailable import Unavailable

POLL_SECONDS = 1.0
AT_ONCE = 8
LEASE = timedelta(seconds=30)
MOST_ATTEMPTS = 5
HEARD_WITHIN = timedelta(seconds=30)
"""The scheduler took the call because there was a phone to ring; auth's word of it may be on its way here so long."""
LISTEN_AGAIN = timedelta(milliseconds=500)

log = structlog.get_logger(__name__)


class CallPlacer:
    """One attempt to ring, whatever happens: a call that may have rung is not rung again."""

    def __init__(self, database: Database, accounts: Accounts, *, instance: str) -> None:
        self._database = database
        self._accounts = accounts
        self._holder = new_holder(instance)
        self._wake = asyncio.Event()
        database.on_notify(CALLS, self._wake.set)

    async def run(self, stop: Stop) -> None:
        while not stop.is_set():
            self._wake.clear()
            try:
                while not stop.is_set() and await self.place_some():
                    pass
            except Unavailable as outage:
                log.info("calls_wait", reason=str(outage))
            stopping, woken = asyncio.ensure_future(stop.wait()), asyncio.ensure_future(self._wake.wait())
            await asyncio.wait({stopping, woken}, timeout=POLL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            for waiting in (stopping, woken):
                waiting.cancel()

    async def place_some(self) -> int:
        """How many were in hand."""
        async with self._database.connection() as conn:
            calls = await store.claim_calls(conn, AT_ONCE, holder=self._holder, lease=LEASE)
        await asyncio.gather(*(self._place(call) for call in calls))
        return len(calls)

    async def _place(self, claimed: store.ClaimedCall) -> None:
        if claimed.attempted:  # its holder ended after it had begun to ring, or not: nobody knows
            return await self._move(claimed, "ringing", reason="outcome unknown")
        async with self._database.connection() as conn:
            user = await find_user(conn, claimed.tenant_id, claimed.user_id)
            account = await self._accounts.of_tenant(conn, claimed.tenant_id)
            if user is None or user.disabled or user.notify_phone is None:
                if claimed.age < HEARD_WITHIN:
                    return await store.wait_with_call(conn, claimed.id, LISTEN_AGAIN)
                why = "the user is disabled" if user and user.disabled else "the user has no notify_phone"
                return await self._move(claimed, "failed", reason=why)
            if not await store.mark_call_attempting(conn, claimed.id, self._holder, account.provider):
                return None
        provider = self._accounts.provider_of(account)
        call = OutgoingCall(claimed.id, claimed.tenant_id, user.notify_phone, claimed.contact_phone)
        try:
            ref = await provider.call(account, call)
        except NotSent as refusal:
            if refusal.again and claimed.attempts < MOST_ATTEMPTS:
                async with self._database.connection() as conn:
                    await store.put_off_call(conn, claimed.id, timedelta(seconds=5 * claimed.attempts))
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
