"""Who got a campaign, when, or why not. Campaigns themselves are the scheduler's."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from aiohttp import web
from pydantic import BaseModel

from conversations.api.csv_streams import csv_headers, stream, wants_csv
from conversations.domain.statuses import DeliveryStatus
from conversations.store import deliveries as store
from conversations.store.runs import find_run_of
from switchboard.http import Page, PageQuery, PlainRoute, Request, Route, decode_cursor, page
from switchboard.postgres.database import Database
from switchboard.runtime.refusals import NotFound

BATCH = 1000
COLUMNS = ("contact_phone", "status", "reason", "sent_at", "settled_at", "attempts", "provider_ref", "message_id")


class DeliveryAnswer(BaseModel):
    """One recipient. `reason`: why not, or why not yet."""

    id: UUID
    contact_phone: str
    status: DeliveryStatus
    reason: str | None
    attempts: int
    message_id: UUID | None
    seq: int | None
    provider_ref: str | None
    created_at: datetime
    sent_at: datetime | None
    settled_at: datetime | None


class DeliveriesQuery(PageQuery):
    """`Accept: text/csv` gives all of them, streamed."""

    status: DeliveryStatus | None = None


@dataclass(frozen=True)
class Campaigns:
    database: Database

    async def list_deliveries(self, request: Request) -> Page[DeliveryAnswer] | web.StreamResponse:
        """A campaign's recipients, once it has begun: who got it, when, or why not."""
        query: DeliveriesQuery = request.query
        tenant_id, campaign_id = request.identity.tenant_id, request.uuid("id")
        (after,) = decode_cursor(query.cursor, UUID) if query.cursor else (UUID(int=0),)
        async with self.database.connection() as conn:
            if await find_run_of(conn, tenant_id, campaign_id) is None:
                raise NotFound("This campaign is unknown, or has not begun.")
        if wants_csv(request.http):
            rows = self._lines(tenant_id, campaign_id, query.status)
            return await stream(request.http, rows, "text/csv; charset=utf-8", csv_headers(f"campaign-{campaign_id}"))
        async with self.database.connection() as conn:
            found = await store.list_of_campaign(
                conn, tenant_id, campaign_id, status=query.status, after=after, limit=query.limit + 1
            )
        shown, cursor = page(found, query.limit, lambda last: (last.id,))
        items = [DeliveryAnswer.model_validate(row, from_attributes=True) for row in shown]
        return Page(items=items, next_cursor=cursor)

    async def _lines(self, tenant_id: UUID, campaign_id: UUID, status: str | None) -> AsyncIterator[bytes]:
        yield _csv([COLUMNS])
        after = UUID(int=0)
        while True:
            async with self.database.connection() as conn:
                found = await store.list_of_campaign(
                    conn, tenant_id, campaign_id, status=status, after=after, limit=BATCH
                )
            if not found:
                return
            yield _csv([[_word(getattr(row, name)) for name in COLUMNS] for row in found])
            after = found[-1].id


def _word(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return "" if value is None else str(value)


def _csv(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()


def routes(database: Database) -> list[Route]:
    path = "/api/v1/campaigns/{id}/deliveries"
    return [
        PlainRoute("GET", path, Campaigns(database).list_deliveries, query=DeliveriesQuery, answer=Page[DeliveryAnswer])
    ]
