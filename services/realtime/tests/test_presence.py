"""Presence and typing."""

import asyncio
from datetime import timedelta

import pytest

from realtime.presence import presence
from switchboard.testing import becomes, until

from .client import Client
from .cluster import Cluster
from .fixtures import ANNA, BEN, STRANGER


def changes(client: Client) -> list[dict[str, object]]:
    return [user for event in events_of(client, "presence.changed") for user in event["users"]]  # type: ignore[attr-defined]


def events_of(client: Client, name: str) -> list[dict[str, object]]:
    return [payload for received, payload in client.ephemeral if received == name]


async def test_several_sockets_of_one_user_are_one_presence_on_all_instances(cluster: Cluster) -> None:
    await cluster.start()
    anna = await cluster.connect(ANNA)
    ben = [await cluster.connect(BEN, to=n) for n in (0, 1)]
    await cluster.connect(STRANGER)

    await becomes(
        lambda: anna.socket.call("presence.list"),
        {"ok": True, "users": [{"user_id": str(user.user_id), "status": "online"} for user in (ANNA, BEN)]},
    )
    await until(lambda: {"user_id": str(BEN.user_id), "status": "online"} in changes(anna))
    await ben[0].socket.call("presence.set", {"status": "away"})

    await until(lambda: {"user_id": str(BEN.user_id), "status": "away"} in changes(anna))
    assert [change for change in changes(anna) if change["user_id"] == str(BEN.user_id)] == [
        {"user_id": str(BEN.user_id), "status": "online"},
        {"user_id": str(BEN.user_id), "status": "away"},
    ]


async def test_a_user_is_offline_soon_after_its_last_socket_closes(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "ONLINE_TTL", timedelta(seconds=2))
    monkeypatch.setattr(presence, "HEARTBEAT_SECONDS", 0.5)
    anna, ben = await cluster.connect(ANNA), await cluster.connect(BEN)
    await until(lambda: {"user_id": str(BEN.user_id), "status": "online"} in changes(anna))

    await ben.socket.disconnect()

    await until(lambda: {"user_id": str(BEN.user_id), "status": "offline"} in changes(anna), within=30)
    await becomes(lambda: online(anna), [str(ANNA.user_id)])


async def online(client: Client) -> list[str]:
    return [user["user_id"] for user in (await client.socket.call("presence.list"))["users"]]


async def test_typing_is_broadcast_to_the_tenant_with_an_end(cluster: Cluster) -> None:
    anna, ben, stranger = [await cluster.connect(user) for user in (ANNA, BEN, STRANGER)]

    answer = await anna.socket.call("typing", {"contact_phone": "+14155550100", "typing": True})

    assert answer == {"ok": True}
    await until(lambda: events_of(ben, "typing"))
    (received,) = events_of(ben, "typing")
    assert (received["user_id"], received["contact_phone"], received["typing"]) == (
        str(ANNA.user_id),
        "+14155550100",
        True,
    )
    assert received["expires_at"] is not None
    assert events_of(stranger, "typing") == []


async def test_viewing_is_broadcast_to_the_tenant_with_an_end(cluster: Cluster) -> None:
    anna, ben, stranger = [await cluster.connect(user) for user in (ANNA, BEN, STRANGER)]

    answer = await anna.socket.call("viewing", {"contact_phone": "+14155550100"})
    refused = await anna.socket.call("viewing", {"contact_phone": "+14155550100", "user_id": str(BEN.user_id)})

    assert answer == {"ok": True}
    assert refused == {"error": "invalid"}
    await until(lambda: events_of(ben, "viewing"))
    (received,) = events_of(ben, "viewing")
    assert (received["user_id"], received["contact_phone"]) == (str(ANNA.user_id), "+14155550100")
    assert received["expires_at"] is not None
    assert events_of(stranger, "viewing") == []


async def test_invalid_and_too_many_client_events_are_refused(cluster: Cluster) -> None:
    client = await cluster.connect(ANNA)

    invalid = await client.socket.call("typing", {"contact_phone": 5, "typing": "yes", "user_id": "x"})
    burst = (client.socket.call("presence.set", {"status": "nowhere"}) for _ in range(400))
    answers = await asyncio.gather(*burst)

    assert invalid == {"error": "invalid"}
    assert {"error": "too_many_requests"} in answers


async def test_an_unknown_client_event_is_answered_with_an_error(cluster: Cluster) -> None:
    client = await cluster.connect(ANNA)

    mistyped = await client.socket.call("presence.get", {"status": "away"}, timeout=5)
    known = await client.socket.call("presence.list")

    assert (mistyped, known["ok"]) == ({"error": "unknown_event"}, True)
