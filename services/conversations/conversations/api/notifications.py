"""The caller's own notifications."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
from pydantic import BaseModel

from conversations.store import notifications as store
from switchboard.contracts.conversations import NotificationKind
from switchboard.http import Page, PageQuery, ReadRoute, Request, Route, WriteRoute, decode_cursor, page
from switchboard.messaging.outbox.unit_of_work import Work
from switchboard.runtime.refusals import NotFound

NEWEST = (datetime.max.replace(tzinfo=UTC), UUID(int=2**128 - 1))


class NotificationAnswer(BaseModel):
    """A notification. `subject_id` is the reminder, call or campaign that it is about."""

    id: UUID
    kind: NotificationKind
    title: str
    body: str
    subject_id: UUID | None
    created_at: datetime
    read_at: datetime | None


@dataclass(frozen=True)
class UserNotifications:
    """Notifications of the caller."""

    def routes(self) -> list[Route]:
        return [
            ReadRoute("GET", "/api/v1/notifications", self.list, query=PageQuery, answer=Page[NotificationAnswer]),
            WriteRoute("POST", "/api/v1/notifications/{id}/read", self.mark_read),
        ]

    async def list(self, request: Request, conn: asyncpg.Connection) -> Page[NotificationAnswer]:
        """List my notifications, newest first."""
        query: PageQuery = request.query
        at, id_ = decode_cursor(query.cursor, datetime, UUID) if query.cursor else NEWEST
        found = await store.list_notifications(
            conn, request.identity.tenant_id, request.identity.user_id, below=(at, id_), limit=query.limit + 1
        )
        shown, cursor = page(found, query.limit, lambda last: (last.created_at, last.id))
        items = [NotificationAnswer.model_validate(one, from_attributes=True) for one in shown]
        return Page(items=items, next_cursor=cursor)

    async def mark_read(self, request: Request, work: Work) -> None:
        """Mark a notification as read. The time of the first request is kept."""
        caller = request.identity
        known = await store.save_notification_read(
            work.conn, caller.tenant_id, caller.user_id, request.uuid("id"), datetime.now(UTC)
        )
        if not known:
            raise NotFound
