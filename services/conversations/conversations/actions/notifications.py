"""Telling a user of something."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from uuid_utils.compat import uuid7

from conversations.actions.messages import DELIVERIES
from conversations.store import notifications as store
from conversations.store.deliveries import add_notice
from switchboard.contracts.conversations import NotificationCreated, NotificationKind, ReminderFire
from switchboard.messaging.outbox.unit_of_work import Work
from switchboard.replica.user_replica import find_user

WORTH_A_MESSAGE = timedelta(hours=1)


async def notify(
    work: Work, user_id: UUID, kind: NotificationKind, title: str, body: str, *, subject_id: UUID | None = None
) -> None:
    """The user finds it in the list, and sees it at once when online."""
    assert work.tenant_id is not None
    new = store.Notification(uuid7(), user_id, kind, title, body, subject_id, created_at=datetime.now(UTC))
    await store.add_notification(work.conn, work.tenant_id, new)
    await _also_by_message(work, user_id, f"{title}: {body}" if body else title)
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


async def _also_by_message(work: Work, user_id: UUID, text: str) -> None:
    """To the user's own phone, if there is one; not once it is old news."""
    assert work.tenant_id is not None
    user = await find_user(work.conn, work.tenant_id, user_id)
    if user is None or user.disabled or user.notify_phone is None:
        return
    until = datetime.now(UTC) + WORTH_A_MESSAGE
    await add_notice(work.conn, uuid7(), work.tenant_id, user_id, user.notify_phone, text, until)
    work.notify(DELIVERIES)


async def remind(reminder: ReminderFire, work: Work) -> None:
    """A reminder is due: its user learns of it."""
    title = f"Reminder: {reminder.lead_id}" + (" (late)" if reminder.late else "")
    await notify(work, reminder.user_id, "reminder", title, reminder.note, subject_id=reminder.reminder_id)
