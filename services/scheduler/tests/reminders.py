"""Steps of the tests of reminders."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from switchboard.contracts.auth import UserCreated, UserUpdated

from .virtual_time import ANNA, NOON, TENANT, VirtualScheduler


def at(**later: float) -> str:
    return (NOON + timedelta(**later)).isoformat().replace("+00:00", "Z")


def reminder_body(**fields: Any) -> dict[str, Any]:
    return {"lead_id": "lead-7", "note": "call back", "remind_at": at(hours=1), **fields}


async def given_reminder(scheduler: VirtualScheduler, **fields: Any) -> dict[str, Any]:
    answer = await scheduler.call(ANNA, "POST", "/reminders", reminder_body(**fields))
    assert answer.status == 201, answer.body
    return dict(answer.body)


async def given_user(scheduler: VirtualScheduler, user_id: UUID, *, time_zone: str | None = None) -> None:
    user = UserCreated(
        user_id=user_id, email="a@b.example", name="A", role="agent", disabled=False, time_zone=time_zone
    )
    await scheduler.receive(user)
    given_at_auth(scheduler, user_id, time_zone)


def given_at_auth(scheduler: VirtualScheduler, user_id: UUID, time_zone: str | None) -> None:
    scheduler.auth.known[TENANT, user_id] = UserUpdated(
        user_id=user_id, email="a@b.example", name="A", role="agent", disabled=False, time_zone=time_zone
    )


async def fired_at(scheduler: VirtualScheduler) -> list[str]:
    return [command.data["remind_at"] for command in await scheduler.published("reminder.fire")]
