"""Recovery of uncertain deliveries: of expired leases by the workers, of unknown outcomes by an operator."""

from collections.abc import Set
from enum import StrEnum
from uuid import UUID

from conversations.actions.claiming import MAX_ATTEMPTS
from conversations.actions.deliveries import outcome_of, settle, settle_by_id
from conversations.actions.messages import DELIVERIES
from conversations.store import deliveries as store
from conversations.store import delivery_claims as claims
from conversations.store.campaign_runs import reopen
from switchboard.messaging.outbox.unit_of_work import Work, open_work
from switchboard.postgres.database import Database

REASON = "the process that sent it ended before it knew the outcome"


class Decision(StrEnum):
    """An operator's decision about an uncertain delivery."""

    SENT = "sent"
    FAILED = "failed"
    RESEND = "resend"


async def recover_expired_deliveries(database: Database, *, idempotent: Set[str], resends: bool) -> int:
    """Queue deliveries with an expired lease again if that can't send them twice, else mark them uncertain.

    `idempotent`: the providers that take idempotency keys. `resends`: queue the others again too. Returns how many
    had expired.
    """
    async with database.connection() as conn:
        if not await claims.any_expired(conn):
            return 0
    async with open_work(database, tenant_id=None) as work:
        expired = await claims.lock_expired(work.conn)
        again = {
            row.id
            for row in expired
            if not row.attempted or ((row.provider in idempotent or resends) and row.attempts < MAX_ATTEMPTS)
        }
        await claims.return_expired(work.conn, sorted(again))
        uncertain = [row.id for row in expired if row.id not in again]
        rows = await store.find_deliveries(work.conn, uncertain)
        await settle(work, [outcome_of(row, "uncertain", source=work.source, reason=REASON) for row in rows])
        if again:
            work.notify(DELIVERIES)
    return len(expired)


async def resolve_delivery(work: Work, delivery_id: UUID, decision: Decision) -> bool:
    """Apply an operator's decision to an uncertain delivery. False when it is not uncertain.

    A completed campaign runs again until a delivery that is resent is settled.
    """
    found = await store.find_deliveries(work.conn, [delivery_id])
    if not found or found[0].status != "uncertain":
        return False
    if decision is not Decision.RESEND:
        return await settle_by_id(work, delivery_id, decision.value, reason="decided by an operator")
    if not await store.resend(work.conn, delivery_id):
        return False
    if found[0].campaign_id is not None:
        await reopen(work.conn, found[0].campaign_id)
    work.notify(DELIVERIES)
    return True
