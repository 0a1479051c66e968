"""An operator's word about a delivery whose outcome nobody knows."""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

from conversations.actions.deliveries import settle_by_id
from conversations.actions.messages import DELIVERIES
from conversations.store import deliveries as store
from conversations.store.runs import reopen
from switchboard.messaging.outbox.unit_of_work import Work


class Decision(StrEnum):
    SENT = "sent"
    FAILED = "failed"
    RESEND = "resend"


async def resolve_delivery(work: Work, delivery_id: UUID, decision: Decision) -> bool:
    """Whether it was uncertain. A campaign that was complete runs again until what is sent anew is settled."""
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
