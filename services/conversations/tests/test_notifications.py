"""Notifications of users."""

from datetime import timedelta
from uuid import UUID

from switchboard.contracts.auth import UserUpdated
from switchboard.contracts.conversation_commands import ReminderFire

from .client import ANNA, BEN, NOW, STRANGER, ConversationsClient

REMINDER = ReminderFire(
    reminder_id=UUID(int=77), user_id=ANNA.user_id, lead_id="lead-9", note="Call back", remind_at=NOW, late=False
)


async def test_a_reminder_that_fires_twice_notifies_once(client: ConversationsClient) -> None:
    for _ in range(2):
        await client.deliver(REMINDER, id=UUID(int=5))

    listed = await client.call(ANNA, "GET", "/notifications")

    (notification,) = listed.body["items"]
    assert (notification["kind"], notification["body"]) == ("reminder", "Call back")
    assert notification["subject_id"] == str(REMINDER.reminder_id)
    (event,) = await client.published("notification.created")
    assert str(event.notification_id) == notification["id"]  # type: ignore[attr-defined]


async def test_only_its_user_can_read_a_notification_and_only_once(client: ConversationsClient) -> None:
    await client.deliver(REMINDER)
    (one,) = (await client.call(ANNA, "GET", "/notifications")).body["items"]

    assert (await client.call(BEN, "POST", f"/notifications/{one['id']}/read")).status == 404
    assert (await client.call(STRANGER, "POST", f"/notifications/{one['id']}/read")).status == 404
    assert (await client.call(ANNA, "POST", f"/notifications/{one['id']}/read")).status == 204
    (first,) = (await client.call(ANNA, "GET", "/notifications")).body["items"]
    await client.call(ANNA, "POST", f"/notifications/{one['id']}/read")

    (again,) = (await client.call(ANNA, "GET", "/notifications")).body["items"]
    assert first["read_at"] is not None
    assert again["read_at"] == first["read_at"]


async def test_an_older_event_about_a_user_changes_nothing(client: ConversationsClient) -> None:
    await client.given_users()
    new = UserUpdated(
        user_id=ANNA.user_id,
        email="a@x.example",
        name="Anna B",
        role="agent",
        disabled=False,
        notify_phone="+14155550199",
    )
    await client.deliver(new, at=NOW + timedelta(days=9999))
    await client.deliver(new.model_copy(update={"name": "Anna A", "notify_phone": None}), at=NOW)

    known = await client.fetch("select name, notify_phone from users where id = $1", ANNA.user_id)
    assert known == [{"name": "Anna B", "notify_phone": "+14155550199"}]
