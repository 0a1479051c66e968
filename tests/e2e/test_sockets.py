"""Sockets through the gateways: order over each transport, resuming at another gateway, revoked sessions."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
import socketio

from switchboard.testing import becomes, until
from switchboard.testing.javascript import JavaScript

from .client import PASSWORD, Listener, User, listening, logged_in, member

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("stack"), pytest.mark.timeout(240)]

PHONE = "+14155550100"
APPENDED = "conversation.message_appended"
STATUS = "message.status_changed"
TRANSPORTS = [["polling"], ["websocket"], ["polling", "websocket"]]


def conversation(listener: Listener) -> list[dict[str, Any]]:
    """Build the conversation from the received events alone. Fails on a duplicate."""
    messages: dict[str, dict[str, Any]] = {}
    for name, event in listener.heard:
        if name == APPENDED:
            message = event["data"]["message"]
            assert message["id"] not in messages
            messages[message["id"]] = dict(message)
        elif name == STATUS:
            messages[event["data"]["message_id"]]["status"] = event["data"]["status"]
    return list(messages.values())


async def delivered(user: User) -> list[dict[str, Any]]:
    """Wait until all messages are delivered, and return the conversation."""

    async def kept() -> list[dict[str, Any]]:
        messages = await user.messages(PHONE)
        assert {message["status"] for message in messages} == {"delivered"}
        return messages

    return await until(kept, within=90)


@pytest.mark.parametrize("transports", TRANSPORTS, ids="+".join)
async def test_events_at_either_gateway_add_up_to_the_stored_conversation(anna: User, transports: list[str]) -> None:
    async with listening(anna, 0, transports) as first, listening(anna, 1, transports) as second:
        for n in range(60):
            await anna.say(PHONE, f"{n} is ä")
        kept = await delivered(anna)

        assert [message["seq"] for message in kept] == list(range(1, 61))
        await becomes(lambda: conversation(first), kept)
        await becomes(lambda: conversation(second), kept)


@pytest.mark.parametrize("transports", ["websocket", "polling,websocket"])
async def test_the_official_client_resumes_at_the_other_gateway(
    anna: User, javascript: JavaScript, transports: str
) -> None:
    async with javascript(anna.gateways[0], {}, transports, anna.token) as client:
        await until(lambda: client.of("ready"))
        for n in range(10):
            await anna.say(PHONE, f"message {n}")
        await becomes(lambda: client.seqs(APPENDED), list(range(1, 11)))
        upgraded = [{"what": "upgrade", "transport": "websocket"}] if "polling" in transports else []
        await becomes(lambda: client.of("upgrade"), upgraded)

        await client.move_to(anna.gateways[1])
        for n in range(10, 30):
            await anna.say(PHONE, f"message {n}")

        await becomes(lambda: client.seqs(APPENDED), list(range(1, 31)))
        assert [said["ready"]["resumed"] for said in client.of("ready")] == [False, True]
        await becomes(lambda: client.of("upgrade"), upgraded * 2)
        assert client.of("refused") == []


@dataclass(frozen=True)
class Bob:
    """One user, signed in twice: actions of the session `stays` end the session `lost`."""

    anna: User
    stays: User
    lost: User

    async def log_out(self) -> int:
        return (await self.lost.ask("POST", "/auth/logout")).status

    async def end_that_session(self) -> int:
        sessions = (await self.lost.ask("GET", "/auth/sessions")).body["items"]
        ended = next(session["id"] for session in sessions if session["current"])
        return (await self.stays.ask("DELETE", f"/auth/sessions/{ended}")).status

    async def end_other_sessions(self) -> int:
        return (await self.stays.ask("DELETE", "/auth/sessions")).status

    async def change_password(self) -> int:
        changed = {"current": PASSWORD, "new": "another battery staple"}
        return (await self.stays.ask("POST", "/auth/password", changed)).status

    async def be_disabled(self) -> int:
        user = (await self.lost.ask("GET", "/auth/me")).body["user"]["id"]
        return (await self.anna.ask("PATCH", f"/users/{user}", {"disabled": True})).status


async def refusal(user: User, gateway: int) -> Any:
    """Try to connect, and return the error of the refusal."""
    refusals: list[Any] = []
    client = socketio.AsyncClient(reconnection=False)
    client.on("connect_error", refusals.append)
    with pytest.raises(socketio.exceptions.ConnectionError):
        await client.connect(
            user.gateways[gateway], auth={"token": user.token}, transports=["websocket"], wait_timeout=30
        )
    await client.disconnect()
    return refusals[0]["message"]


@pytest.mark.parametrize(
    ("end", "status", "reason"),
    [
        (Bob.log_out, 204, "logout"),
        (Bob.end_that_session, 204, "revoked"),
        (Bob.end_other_sessions, 204, "revoked"),
        (Bob.change_password, 204, "password_changed"),
        (Bob.be_disabled, 200, "disabled"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
async def test_a_revoked_session_loses_its_sockets_at_both_gateways(
    anna: User, end: Callable[[Bob], Awaitable[int]], status: int, reason: str
) -> None:
    stays = await member(anna, "agent")
    bystander = anna if end is Bob.be_disabled else stays
    async with (
        logged_in(anna.gateways, stays.email, PASSWORD) as lost,
        listening(lost, 0, ["websocket"]) as first,
        listening(lost, 1, ["websocket"]) as second,
        listening(bystander, 0, ["websocket"]) as third,
        listening(anna, 1, ["websocket"]) as fourth,
    ):
        answered = await end(Bob(anna, stays, lost))

        assert answered == status
        for listener in (first, second):
            await becomes(lambda listener=listener: listener.cut, ["server disconnect"])
            assert listener.heard[-1] == ("session.closing", {"reason": reason})
        assert [await refusal(lost, gateway) for gateway in (0, 1)] == ["unauthenticated"] * 2
        for user, listener in ((bystander, third), (anna, fourth)):
            await user.say(PHONE, "still here")
            await until(lambda listener=listener: listener.of(APPENDED))
            assert listener.cut == []
        assert first.of(APPENDED) == second.of(APPENDED) == []
