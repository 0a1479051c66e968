"""What became of deliveries, written down with the events that tell of it."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from conversations.actions.notifications import notify
from conversations.store import deliveries as store
from conversations.store.deliveries import Claimed, Delivery, News
from switchboard.contracts.conversations import MessageStatusChanged
from switchboard.messaging.outbox.rows import row_of
from switchboard.messaging.outbox.unit_of_work import OUTBOX, Work, open_work
from switchboard.postgres.database import Database

MESSAGE_STATUSES = {"skipped": "failed"}


def news_of(
    row: Claimed | Delivery,
    status: str,
    *,
    source: str,
    reason: str | None = None,
    ref: str | None = None,
    provider: str | None = None,
) -> News:
    """The word about a delivery, with the event about its message."""
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
        event = row_of(changed, source=source, tenant_id=row.tenant_id)
    return News(row.id, status, message_status, reason, ref, provider, event)


async def settle(work: Work, news: Sequence[News]) -> set[UUID]:
    """Those for which that was news."""
    latest = {one.id: one for one in news}
    moved = await store.settle(work.conn, list(latest.values()))
    work.notify(OUTBOX)
    return moved


async def settle_quickly(database: Database, news: Sequence[News]) -> set[UUID]:
    """The same as one statement and one commit."""
    async with database.connection() as conn:
        moved = await store.settle(conn, news)
    database.notify(OUTBOX)
    return moved


async def settle_failure(database: Database, row: Claimed | Delivery, news: News) -> None:
    """Failed; its user learns of it in the same transaction."""
    async with open_work(database, tenant_id=row.tenant_id) as work:
        if await settle(work, [news]):
            await tell_of_failure(work, row, news.reason or "")


async def tell_of_failure(work: Work, row: Claimed | Delivery, reason: str) -> None:
    """A single message that doesn't arrive is something its user must know. Of campaigns, the audit tells."""
    if row.campaign_id is None and row.message_id is not None:
        title = f"Message to {row.contact_phone} was not delivered"
        await notify(work, row.user_id, "system", title, reason, subject_id=row.message_id)


async def settle_by_id(work: Work, delivery_id: UUID, status: str, *, reason: str | None = None) -> bool:
    """Whether that was news."""
    found = await store.find_deliveries(work.conn, [delivery_id])
    news = [news_of(row, status, source=work.source, reason=reason) for row in found]
    return bool(news) and bool(await settle(work, news))


async def find_delivery(
    conn: asyncpg.Connection, delivery_id: UUID | None, provider: str, ref: str | None
) -> Delivery | None:
    """By our id, else by the provider's."""
    if delivery_id is not None:
        found = await store.find_deliveries(conn, [delivery_id])
        return found[0] if found else None
    return await store.find_delivery_by_ref(conn, provider, ref) if ref else None
