"""Deliveries whose holder died or hangs: returned, repeated, or held as uncertain."""

from __future__ import annotations

from conversations.actions.deliveries import news_of, settle
from conversations.actions.messages import DELIVERIES
from conversations.adapters.provider_accounts import Accounts
from conversations.store import deliveries as store
from conversations.workers.message_sender import MOST_ATTEMPTS
from switchboard.messaging.outbox.unit_of_work import open_work
from switchboard.postgres.database import Database
from switchboard.runtime.background import Loop, repeat

EVERY_SECONDS = 1.0
REASON = "the process that sent it ended before it knew the outcome"


def recovering(database: Database, accounts: Accounts, *, uncertain_policy: str = "hold") -> Loop:
    """The loop, on every instance: rows are locked, so that each is taken once."""

    async def recover_expired() -> None:
        await recover(database, accounts, resends=uncertain_policy == "resend")

    return repeat(recover_expired, every=EVERY_SECONDS)


async def recover(database: Database, accounts: Accounts, *, resends: bool) -> int:
    """How many were found."""
    keyed = accounts.keyed()
    async with open_work(database, tenant_id=None) as work:
        expired = await store.lock_expired(work.conn)
        again = {
            row.id
            for row in expired
            if not row.attempted or ((row.provider in keyed or resends) and row.attempts < MOST_ATTEMPTS)
        }
        await store.return_expired(work.conn, sorted(again))
        unknown = [row.id for row in expired if row.id not in again]
        rows = await store.find_deliveries(work.conn, unknown)
        await settle(work, [news_of(row, "uncertain", source=work.source, reason=REASON) for row in rows])
        if again:
            work.notify(DELIVERIES)
    return len(expired)
