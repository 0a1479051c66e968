"""Who is there, and who types."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from realtime.presence import presence
from switchboard.testing import becomes, until

from .world import ANNA, BEN, STRANGER, Client, World


def changes(client: Client) -> list[dict[str, object]]:
    return [user for event in told(client, "presence.changed") for user in event["users"]]  # type: ignore[attr-defined]


def told(client: Client, name: str) -> list[dict[str, object]]:
    return [payload for heard, payload in client.mentions if heard == name]


async def test_several_sockets_of_one_user_are_one_presence_on_all_instances(world: World) -> None:
    await world.start()
    anna = await world.connect(ANNA)
    ben = [await world.connect(BEN, to=n) for n in (0, 1)]
    await world.connect(STRANGER)

    await becomes(
        lambda: anna.socket.call("presence.list"),
        {"ok": True, "users": [{"user_id": str(who.user_id), "status": "online"} for who in (ANNA, BEN)]},
    )
    await until(lambda: {"user_id": str(BEN.user_id), "status": "online"} in changes(anna))
    await ben[0].socket.call("presence.set", {"status": "away"})

    await until(lambda: {"user_id": str(BEN.user_id), "status": "away"} in changes(anna))
    assert [change for change in changes(anna) if change["user_id"] == str(BEN.user_id)] == [
        {"user_id": str(BEN.user_id), "status": "online"},
        {"user_id": str(BEN.user_id), "status": "away"},
    ]


async def test_a_user_is_gone_a_moment_after_the_last_socket(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "LASTS", timedelta(seconds=2))
    monkeypatch.setattr(presence, "BEAT_SECONDS", 0.5)
    anna, ben = await world.connect(ANNA), await world.connect(BEN)
    await until(lambda: {"user_id": str(BEN.user_id), "status": "online"} in changes(anna))

    await ben.socket.disconnect()

    await until(lambda: {"user_id": str(BEN.user_id), "status": "offline"} in changes(anna), within=30)
    await becomes(lambda: online(anna), [str(ANNA.user_id)])


async def online(client: Client) -> list[str]:
    return [user["user_id"] for user in (await client.socket.call("presence.list"))["users"]]


async def test_typing_is_told_to_the_tenant_with_an_end(world: World) -> None:
    anna, ben, stranger = [await world.connect(who) for who in (ANNA, BEN, STRANGER)]

    answer = await anna.socket.call("typing", {"contact_phone": "+14155550100", "typing": True})

    assert answer == {"ok": True}
    await until(lambda: told(ben, "typing"))
    (heard,) = told(ben, "typing")
    assert (heard["user_id"], heard["contact_phone"], heard["typing"]) == (str(ANNA.user_id), "+14155550100", True)
    assert heard["expires_at"] is not None
    assert told(stranger, "typing") == []


async def test_senseless_or_hasty_talk_is_refused(world: World) -> None:
    client = await world.connect(ANNA)

    invalid = await client.socket.call("typing", {"contact_phone": 5, "typing": "yes", "user_id": "x"})
    hasty = (client.socket.call("presence.set", {"status": "nowhere"}) for _ in range(400))
    answers = await asyncio.gather(*hasty)

    assert invalid == {"error": "invalid"}
    assert {"error": "too_many_requests"} in answers


async def test_what_nobody_listens_for_is_refused_by_name_instead_of_left_unanswered(world: World) -> None:
    client = await world.connect(ANNA)

    mistyped = await client.socket.call("presence.get", {"status": "away"}, timeout=5)
    known = await client.socket.call("presence.list")

    assert (mistyped, known["ok"]) == ({"error": "unknown_event"}, True)


def test_ghosts_are_gone_within_half_a_minute() -> None:
    assert presence.LASTS.total_seconds() + 2 * presence.BEAT_SECONDS < 30
