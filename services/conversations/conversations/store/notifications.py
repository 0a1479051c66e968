"""Notifications of users."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from switchboard.contracts.conversations import NotificationKind

ADD = """
insert into notifications (id, tenant_id, user_id, kind, title, body, subject_id, created_at)
values ($1, $2, $3, $4, $5, $6, $7, $8)
"""
LIST = """
select id, user_id, kind, title, body, subject_id, created_at, read_at from notifications
where tenant_id = $1 and user_id = $2 and (created_at, id) < ($3, $4)
order by created_at desc, id desc limit $5
"""
SAVE_READ = """
update notifications set read_at = coalesce(read_at, $4) where tenant_id = $1 and user_id = $2 and id = $3 returning id
"""


@dataclass(frozen=True)
class Notification:
    id: UUID
    user_id: UUID
    kind: NotificationKind
    title: str
    body: str
    subject_id: UUID | None
    created_at: datetime
    read_at: datetime | None = None


async def add_notification(conn: asyncpg.Connection, tenant_id: UUID, new: Notification) -> None:
    await conn.execute(
        ADD, new.id, tenant_id, new.user_id, new.kind, new.title, new.body, new.subject_id, new.created_at
    )


async def list_notifications(
    conn: asyncpg.Connection, tenant_id: UUID, user_id: UUID, *, below: tuple[datetime, UUID], limit: int
) -> list[Notification]:
    """The user's notifications, newest first, after the position `below`."""
    return [Notification(*row) for row in await conn.fetch(LIST, tenant_id, user_id, *below, limit)]


async def save_notification_read(
    conn: asyncpg.Connection, tenant_id: UUID, user_id: UUID, notification_id: UUID, at: datetime
) -> bool:
    """Mark a notification as read; the first time is kept. False when the user has no such notification."""
    return await conn.fetchval(SAVE_READ, tenant_id, user_id, notification_id, at) is not None
