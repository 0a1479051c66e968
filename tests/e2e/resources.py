"""Create one resource of each kind that a tenant can own."""

from datetime import UTC, datetime, timedelta
from typing import Any

from switchboard.testing import until

from .client import User

CONTACT = "+14155550100"


def in_hours(hours: float) -> str:
    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat()


def new_reminder(hours: float) -> dict[str, Any]:
    return {"lead_id": "1", "note": "soon", "remind_at": in_hours(hours)}


def new_call(hours: float) -> dict[str, Any]:
    return {"contact_phone": CONTACT, "scheduled_at": in_hours(hours)}


def new_campaign(hours: float) -> dict[str, Any]:
    return {"name": "x", "template": "hi", "audience": {"phones": [CONTACT]}, "send_at": in_hours(hours)}


async def everything_of(user: User) -> dict[str, str]:
    """Create one resource of each kind, wait for those that other services create, and return their ids by kind."""
    await made(user, "/reminders", new_reminder(0))  # becomes a notification
    await user.ask("PATCH", "/auth/me", {"notify_phone": "+14155550199"})
    things = {
        "contact": await made(user, "/contacts", {"phone": CONTACT}),
        "import": await _import(user),
        "reminder": await made(user, "/reminders", new_reminder(2)),
        "campaign": await made(user, "/campaigns", new_campaign(2)),
        "run campaign": await made(user, "/campaigns", new_campaign(0)),
        "file": str((await user.upload("a.txt", b"hi"))["id"]),
        "upload": await made(
            user, "/files/uploads", {"name": "a.txt", "size": 2, "content_type": "text/plain", **LEAD}
        ),
        "user": str((await user.ask("GET", "/auth/me")).body["user"]["id"]),
        "session": str((await user.ask("GET", "/auth/sessions")).body["items"][0]["id"]),
        "channel": await made(user, "/channels", NEW_CHANNEL),
        "call": await made(user, "/calls", new_call(2)),
        "placed call": await made(user, "/calls", new_call(0)),
    }
    await until(lambda: _is_there(user, f"/calls/{things['placed call']}/events"), within=60)
    await until(lambda: _is_there(user, f"/campaigns/{things['run campaign']}/deliveries"), within=60)
    return things | {"notification": await until(lambda: _notification(user), within=60)}


LEAD = {"entity_type": "lead", "entity_id": "1"}
NEW_CHANNEL = {"provider": "sandbox", "number": "+14155550123", "credentials": {"secret": "0" * 32}}


async def made(user: User, path: str, body: Any) -> str:
    answer = await user.ask("POST", path, body)
    assert answer.status == 201, (path, answer.body)
    return str(answer.body["id"])


async def _import(user: User) -> str:
    headers = {"Authorization": f"Bearer {user.token}", "Content-Type": "text/csv"}
    async with user.http.post(f"{user.gateways[0]}/api/v1/contacts/import", data="phone\n", headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        return str((await answer.json())["id"])


async def _is_there(user: User, path: str) -> bool:
    return (await user.ask("GET", path)).status == 200


async def _notification(user: User) -> str:
    items = (await user.ask("GET", "/notifications")).body["items"]
    return str(items[0]["id"]) if items else ""
