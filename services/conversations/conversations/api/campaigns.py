"""The deliveries of campaigns. The scheduler owns the campaigns themselves."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from aiohttp import web
from pydantic import BaseModel

from conversations.actions.csv_export import export_deliveries
from conversations.api.csv_streams import stream_csv, wants_csv
from conversations.domain.statuses import DeliveryStatus
from conversations.store.campaign_runs import find_run_of
from conversations.store.deliveries import list_of_campaign
from switchboard.http import Page, PageQuery, PlainRoute, Request, Route, decode_cursor, page
from switchboard.postgres.database import Database
from switchboard.runtime.refusals import NotFound


class DeliveryAnswer(BaseModel):
    """A campaign's delivery to one recipient. `reason`: why it was not delivered, or not yet."""

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
    """A page of deliveries. With `Accept: text/csv` all of them, streamed."""

    status: DeliveryStatus | None = None


@dataclass(frozen=True)
class Campaigns:
    """Campaigns of the tenant."""

    database: Database

    def routes(self) -> list[Route]:
        path = "/api/v1/campaigns/{id}/deliveries"
        return [PlainRoute("GET", path, self.list_deliveries, query=DeliveriesQuery, answer=Page[DeliveryAnswer])]

    async def list_deliveries(self, request: Request) -> Page[DeliveryAnswer] | web.StreamResponse:
        """List the deliveries of a started campaign, with their status and reason."""
        query: DeliveriesQuery = request.query
        tenant_id, campaign_id = request.identity.tenant_id, request.uuid("id")
        (after,) = decode_cursor(query.cursor, UUID) if query.cursor else (UUID(int=0),)
        async with self.database.connection() as conn:
            if await find_run_of(conn, tenant_id, campaign_id) is None:
                raise NotFound("This campaign is unknown, or has not started yet.")
        if wants_csv(request.http):
            rows = export_deliveries(self.database, tenant_id, campaign_id, status=query.status)
            return await stream_csv(request.http, rows, name=f"campaign-{campaign_id}")
        async with self.database.connection() as conn:
            found = await list_of_campaign(
                conn, tenant_id, campaign_id, status=query.status, after=after, limit=query.limit + 1
            )
        shown, cursor = page(found, query.limit, lambda last: (last.id,))
        items = [DeliveryAnswer.model_validate(row, from_attributes=True) for row in shown]
        return Page(items=items, next_cursor=cursor)
