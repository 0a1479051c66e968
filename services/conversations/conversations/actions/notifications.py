"""Telling a user of something."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from uuid_utils.compat import uuid7

from conversations.store import notifications as store
from switchboard.contracts.conversations import NotificationCreated, NotificationKind, ReminderFire
from switchboard.messaging.work import Work


async def notify(
    work: Work, user_id: UUID, kind: NotificationKind, title: str, body: str, *, subject_id: UUID | None = None
) -> None:
    """The user finds it in the list, and sees it at once when online."""
    assert work.tenant_id is not None
    new = store.Notification(uuid7(), user_id, kind, title, body, subject_id, created_at=datetime.now(UTC))
    await store.add_notification(work.conn, work.tenant_id, new)
    await work.publish(
        NotificationCreated(
            notification_id=new.id,
            user_id=user_id,
            kind=kind,
            title=title,
            body=body,
            subject_id=subject_id,
        )
    )


async def remind(reminder: ReminderFire, work: Work) -> None:
    """A reminder is due: its user learns of it."""
    title = f"Reminder: {reminder.lead_id}" + (" (late)" if reminder.late else "")
    await notify(work, reminder.user_id, "reminder", title, reminder.note, subject_id=reminder.reminder_id)
