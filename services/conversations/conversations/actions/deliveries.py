"""Settling deliveries: save outcomes together with the events that report them."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from conversations.actions.contacts import ensure_contact, set_opted_out
from conversations.actions.notifications import notify
from conversations.store import deliveries as store
from conversations.store import delivery_settlement as settlement
from conversations.store.consents import name_consent_source
from conversations.store.deliveries import Delivery
from conversations.store.delivery_claims import Claimed
from conversations.store.delivery_settlement import Outcome
from switchboard.contracts.conversations import MessageStatusChanged
from switchboard.messaging.outbox.numbering import UnnumberedEvent
from switchboard.messaging.outbox.unit_of_work import Work, open_work, report_published
from switchboard.postgres.database import Database
from switchboard.runtime.message_log import log_message_step

MESSAGE_STATUSES = {"skipped": "failed"}


def outcome_of(
    row: Claimed | Delivery,
    status: str,
    *,
    source: str,
    reason: str | None = None,
    ref: str | None = None,
    provider: str | None = None,
) -> Outcome:
    """The outcome of a delivery, with the event about its message. `ref`: the provider's id of the message."""
    message_status = MESSAGE_STATUSES.get(status, status)
    event = None
    if row.message_id is not None and row.seq is not None:
        changed = MessageStatusChanged(
            user_id=row.user_id,
            contact_phone=row.contact_phone,
            message_id=row.message_id,
            seq=row.seq,
            status=message_status,  # type: ignore[arg-type]  # checked by pydantic
            error=reason,
        )
        event = UnnumberedEvent.of(changed, source=source, tenant_id=row.tenant_id, traceparent=row.traceparent)
    return Outcome(row.id, status, message_status, reason, ref, provider, event)


def log_report(row: Delivery, provider: str, status: str) -> None:
    """Log that the provider has reported what became of a delivery."""
    ids = {"delivery_id": str(row.id), "message_id": str(row.message_id)}
    log_message_step("reported", row.traceparent, provider=provider, status=status, **ids)


async def settle(work: Work, outcomes: Sequence[Outcome]) -> set[UUID]:
    """Save outcomes, the last one of each delivery. Returns the ids of the deliveries that moved forward."""
    latest = {one.id: one for one in outcomes}
    if not latest:
        return set()
    settled = await settlement.settle(work.conn, list(latest.values()))
    work.published += settled.events
    return settled.moved


async def settle_batch(database: Database, outcomes: Sequence[Outcome]) -> set[UUID]:
    """Save outcomes of different deliveries in one statement that commits by itself. Returns as `settle`."""
    async with database.connection() as conn:
        settled = await settlement.settle(conn, outcomes)
    report_published(database, settled.events)
    return settled.moved


async def settle_failure(
    database: Database, row: Claimed | Delivery, outcome: Outcome, *, opted_out: bool = False
) -> None:
    """Save a failed delivery and notify its user, in one transaction. `opted_out`: as the provider has said."""
    async with open_work(database, tenant_id=row.tenant_id) as work:
        if opted_out:
            await ensure_contact(work, row.tenant_id, row.contact_phone)
            await name_consent_source(work.conn, "provider")
            await set_opted_out(work, row.tenant_id, row.contact_phone, opted_out=True)
        if await settle(work, [outcome]):
            await notify_failure(work, row, outcome.reason or "")


async def notify_failure(work: Work, row: Claimed | Delivery, reason: str) -> None:
    """Notify the user that a single message was not delivered. Failures of campaigns are in their delivery list."""
    if row.campaign_id is None and row.message_id is not None:
        title = f"Message to {row.contact_phone} was not delivered"
        await notify(work, row.user_id, "system", title, reason, subject_id=row.message_id)


async def settle_by_id(work: Work, delivery_id: UUID, status: str, *, reason: str | None = None) -> bool:
    """Save the outcome of one delivery. False when it is unknown or already further on."""
    found = await store.find_deliveries(work.conn, [delivery_id])
    outcomes = [outcome_of(row, status, source=work.source, reason=reason) for row in found]
    return bool(outcomes) and bool(await settle(work, outcomes))


async def find_delivery(
    conn: asyncpg.Connection, delivery_id: UUID | None, provider: str, ref: str | None
) -> Delivery | None:
    """Find a delivery by our id, or by the provider's id of its message."""
    if delivery_id is not None:
        found = await store.find_deliveries(conn, [delivery_id])
        return found[0] if found else None
    return await store.find_delivery_by_ref(conn, provider, ref) if ref else None
