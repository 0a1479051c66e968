"""What users have to look at."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from switchboard.contracts.auth import UserUpdated
from switchboard.contracts.conversations import ReminderFire

from .world import ANNA, BEN, NOW, STRANGER, World

REMINDER = ReminderFire(
    reminder_id=UUID(int=77), user_id=ANNA.user_id, lead_id="lead-9", note="Call back", remind_at=NOW, late=False
)


async def test_a_reminder_that_fires_twice_notifies_once(world: World) -> None:
    for _ in range(2):
        await world.deliver(REMINDER, id=UUID(int=5))

    listed = await world.call(ANNA, "GET", "/notifications")

    (notification,) = listed.body["items"]
    assert (notification["kind"], notification["body"]) == ("reminder", "Call back")
    assert notification["subject_id"] == str(REMINDER.reminder_id)
    (told,) = await world.published("notification.created")
    assert str(told.notification_id) == notification["id"]  # type: ignore[attr-defined]


async def test_a_notification_is_its_users_and_read_once(world: World) -> None:
    await world.deliver(REMINDER)
    (one,) = (await world.call(ANNA, "GET", "/notifications")).body["items"]

    assert (await world.call(BEN, "POST", f"/notifications/{one['id']}/read")).status == 404
    assert (await world.call(STRANGER, "POST", f"/notifications/{one['id']}/read")).status == 404
    assert (await world.call(ANNA, "POST", f"/notifications/{one['id']}/read")).status == 204
    (first,) = (await world.call(ANNA, "GET", "/notifications")).body["items"]
    await world.call(ANNA, "POST", f"/notifications/{one['id']}/read")

    (again,) = (await world.call(ANNA, "GET", "/notifications")).body["items"]
    assert first["read_at"] is not None
    assert again["read_at"] == first["read_at"]


async def test_an_older_word_about_a_user_changes_nothing(world: World) -> None:
    await world.given_users()
    new = UserUpdated(
        user_id=ANNA.user_id,
        email="a@x.example",
        name="Anna B",
        role="agent",
        disabled=False,
        notify_phone="+14155550199",
    )
    await world.deliver(new, at=NOW + timedelta(days=9999))
    await world.deliver(new.model_copy(update={"name": "Anna A", "notify_phone": None}), at=NOW)

    known = await world.fetch("select name, notify_phone from users where id = $1", ANNA.user_id)
    assert known == [{"name": "Anna B", "notify_phone": "+14155550199"}]
