"""CSV export of contacts and of a campaign's deliveries: a page at a time, in constant memory."""

import csv
import io
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from uuid import UUID

from conversations.domain.contacts import COLUMNS
from conversations.domain.spreadsheet_text import as_text, is_phone
from conversations.store.contacts import list_contacts
from conversations.store.deliveries import list_of_campaign
from switchboard.postgres.database import Database

BATCH = 1000
DELIVERY_COLUMNS = (
    "contact_phone",
    "status",
    "reason",
    "sent_at",
    "settled_at",
    "attempts",
    "provider_ref",
    "message_id",
)


async def export_contacts(
    database: Database, tenant_id: UUID, *, q: str | None = None, tag: str | None = None
) -> AsyncIterator[bytes]:
    """A tenant's contacts as CSV that `import_contacts` accepts."""
    yield _csv([COLUMNS])
    after = UUID(int=0)
    while True:
        async with database.connection() as conn:
            found = await list_contacts(conn, tenant_id, after=after, q=q, tag=tag, limit=BATCH)
        if not found:
            return
        yield _csv(
            [
                (c.phone, as_text(c.name or ""), as_text(";".join(c.tags)), c.owner_id or "", str(c.opted_out).lower())
                for c in found
            ]
        )
        after = found[-1].id


async def export_deliveries(
    database: Database, tenant_id: UUID, campaign_id: UUID, *, status: str | None
) -> AsyncIterator[bytes]:
    """A campaign's deliveries as CSV, those of one status or all."""
    yield _csv([DELIVERY_COLUMNS])
    after = UUID(int=0)
    while True:
        async with database.connection() as conn:
            found = await list_of_campaign(conn, tenant_id, campaign_id, status=status, after=after, limit=BATCH)
        if not found:
            return
        yield _csv([[_text(getattr(row, name)) for name in DELIVERY_COLUMNS] for row in found])
        after = found[-1].id


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return as_text(value) if isinstance(value, str) and not is_phone(value) else "" if value is None else str(value)


def _csv(rows: Sequence[Sequence[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()
