"""Notifications: stored for the user's list, published for online users, and sent to the user's own phone."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from uuid_utils.compat import uuid7

from conversations.actions.messages import DELIVERIES
from conversations.store import notifications as store
from conversations.store.deliveries import add_notice
from switchboard.contracts.conversation_commands import ReminderFire
from switchboard.contracts.conversations import NotificationCreated, NotificationKind
from switchboard.messaging.outbox.unit_of_work import Work
from switchboard.replica.user_replica import find_user

USEFUL_FOR = timedelta(hours=1)


async def notify(
    work: Work, user_id: UUID, kind: NotificationKind, title: str, body: str, *, subject_id: UUID | None = None
) -> None:
    """Notify a user: add it to the list, publish it, and send it to the user's phone if there is one."""
    assert work.tenant_id is not None
    new = store.Notification(uuid7(), user_id, kind, title, body, subject_id, created_at=datetime.now(UTC))
    await store.add_notification(work.conn, work.tenant_id, new)
    await _send_to_phone(work, user_id, f"{title}: {body}" if body else title)
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


async def _send_to_phone(work: Work, user_id: UUID, text: str) -> None:
    """Queue a message to the user's own phone, with a deadline after which it is no longer useful."""
    assert work.tenant_id is not None
    user = await find_user(work.conn, work.tenant_id, user_id)
    if user is None or user.disabled or user.notify_phone is None:
        return
    until = datetime.now(UTC) + USEFUL_FOR
    await add_notice(work.conn, uuid7(), work.tenant_id, user_id, user.notify_phone, text, until)
    work.notify(DELIVERIES)


async def remind(reminder: ReminderFire, work: Work) -> None:
    """Notify the user of a due reminder."""
    title = f"Reminder: {reminder.lead_id}" + (" (late)" if reminder.late else "")
    await notify(work, reminder.user_id, "reminder", title, reminder.note, subject_id=reminder.reminder_id)
