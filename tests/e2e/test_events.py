"""Events over sockets and HTTP: one order at all gateways, tenant isolation, and presence."""

import asyncio
import signal
from typing import Any

import pytest
import socketio

from switchboard.testing import becomes, until
from switchboard.testing.stack import RunningStack

from .client import Listener, User, listening, member, signed_up

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("stack"), pytest.mark.timeout(240)]

PHONE = "+14155550100"
APPENDED = "conversation.message_appended"
UPLOADED = "file.uploaded"
STALE_PRESENCE_WITHIN = 30.0  # seconds until the users of a killed instance are offline


def heard_by(listener: Listener) -> list[dict[str, Any]]:
    """Return the received events in the format of `GET /events`."""
    return [{"type": name, **event} for name, event in listener.heard if "event_id" in event]


async def events(user: User, after: str, **query: int) -> dict[str, Any]:
    parameters = "".join(f"&{name}={value}" for name, value in query.items())
    answer = await user.ask("GET", f"/events?after={after}{parameters}")
    assert answer.status == 200, answer.body
    body: dict[str, Any] = answer.body
    return body


async def last_event_id(user: User) -> str:
    return str((await user.ask("GET", "/events")).body["last_event_id"])


async def test_polling_returns_the_same_events_as_a_socket(anna: User) -> None:
    async with listening(anna, 0, ["websocket"]) as listener:
        began = next(event["last_event_id"] for name, event in listener.heard if name == "session.ready")
        for n in range(5):
            await anna.say(PHONE, f"message {n}")
        await until(lambda: len(listener.of("message.status_changed")) == 10)
        await until(lambda: len(listener.of("contact.created")) == 1)  # it comes by the bus alone

        page = await events(anna, began)

    heard = heard_by(listener)
    assert page == {"items": heard, "last_event_id": heard[-1]["event_id"], "resumed": True}
    rest = await events(anna, heard[6]["event_id"], limit=3)
    assert rest == {"items": heard[7:10], "last_event_id": heard[9]["event_id"], "resumed": True}


async def test_a_poll_for_events_waits_for_the_next_one(anna: User) -> None:
    began = await last_event_id(anna)
    waiting = asyncio.create_task(next_of(anna, APPENDED, began))

    await anna.say(PHONE, "late")

    assert (await waiting)["data"]["message"]["body"] == "late"


async def next_of(user: User, type: str, after: str) -> dict[str, Any]:
    """Poll until an event of that type arrives."""
    while True:
        page = await events(user, after, wait=20)
        for event in page["items"]:
            if event["type"] == type:
                found: dict[str, Any] = event
                return found
        after = page["last_event_id"]


async def test_another_tenants_events_are_not_returned(stack: RunningStack, anna: User) -> None:
    began = await last_event_id(anna)
    await anna.say(PHONE, "ours alone")
    await next_of(anna, APPENDED, began)

    async with signed_up(stack.gateways) as stranger:
        page = await events(stranger, began)

    assert APPENDED not in [event["type"] for event in page["items"]]


@pytest.mark.parametrize("after", ["nonsense", "000000000000-1-0"])
async def test_an_unknown_last_event_id_starts_at_the_end_without_resuming(anna: User, after: str) -> None:
    page = await events(anna, after)

    assert (page["items"], page["resumed"]) == ([], False)
    assert (await events(anna, page["last_event_id"]))["resumed"] is True


async def test_a_tenants_events_have_the_same_order_at_either_gateway(anna: User) -> None:
    colleagues = [anna, await member(anna, "agent"), await member(anna, "admin")]
    async with (
        listening(anna, 0, ["websocket"]) as first,
        listening(colleagues[1], 1, ["websocket"]) as second,
        listening(colleagues[2], 1, ["polling"]) as third,
    ):

        async def upload(user: User) -> None:
            for n in range(70):
                await user.upload(f"{n}.txt", b"x", lead=str(n))

        await asyncio.gather(*(upload(user) for user in colleagues))
        for listener in (first, second, third):
            await becomes(lambda listener=listener: len(listener.of(UPLOADED)), 210, within=90)

    event_ids = [
        [event["event_id"] for event in heard_by(listener) if event["type"] == UPLOADED]
        for listener in (first, second, third)
    ]
    assert len(set(event_ids[0])) == 210
    assert event_ids[0] == event_ids[1] == event_ids[2]


@pytest.mark.slow
async def test_users_of_a_killed_instance_go_offline_and_two_tabs_are_one_user(stack: RunningStack, anna: User) -> None:
    bob = await member(anna, "agent")
    bobs, tab = await connected(bob, 0), await connected(anna, 1)
    for number in (1, 2):
        await until(lambda number=number: stack.is_healthy(f"realtime-{number}"), within=60)
    await becomes(lambda: online(tab), sorted([await id_of(anna), await id_of(bob)]))

    for number in (1, 2):
        stack.kill(f"realtime-{number}", signal.SIGKILL)
    tabs = [await connected(anna, gateway) for gateway in (0, 1)]

    await becomes(lambda: online(tabs[0]), [await id_of(anna)], within=STALE_PRESENCE_WITHIN)
    for client in (bobs, tab, *tabs):
        await client.disconnect()


async def connected(user: User, gateway: int) -> socketio.AsyncClient:
    """Connect a client that doesn't reconnect."""

    async def connect() -> socketio.AsyncClient:
        client = socketio.AsyncClient(reconnection=False)
        try:
            await client.connect(
                user.gateways[gateway], auth={"token": user.token}, transports=["websocket"], wait_timeout=20
            )
        except socketio.exceptions.ConnectionError as error:
            raise AssertionError(error) from None
        return client

    return await until(connect, within=90)


async def online(client: socketio.AsyncClient) -> list[str]:
    users = (await client.call("presence.list"))["users"]
    return sorted(user["user_id"] for user in users)


async def id_of(user: User) -> str:
    id: str = (await user.ask("GET", "/auth/me")).body["user"]["id"]  # noqa: A001
    return id


async def test_a_colleague_hears_of_a_contact_once(anna: User) -> None:
    ben = await member(anna, "agent")
    async with listening(ben, 1, ["websocket"]) as listener:
        contact = await anna.make("/contacts", {"phone": "+14155550143", "name": "Priya"})
        path = f"/contacts/{contact['id']}"
        assert (await anna.ask("PATCH", path, {"name": "Priya K"})).status == 200
        assert (await anna.ask("DELETE", path)).status == 204

        await becomes(lambda: [event["contact_id"] for event in listener.of("contact.deleted")], [contact["id"]])

        names = [event["name"] for kind in ("created", "updated") for event in listener.of(f"contact.{kind}")]
        assert names == ["Priya", "Priya K"]
