"""Sockets through the gateways: over whichever transport, in one order, and only as long as the session lives."""

from __future__ import annotations

from typing import Any

import pytest

from switchboard.testing import becomes, until

from .people import Listener, User, listening

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("stack"), pytest.mark.timeout(240)]

PHONE = "+14155550100"
APPENDED = "conversation.message_appended"
STATUS = "message.status_changed"
TRANSPORTS = [["polling"], ["websocket"], ["polling", "websocket"]]


def conversation(listener: Listener) -> list[dict[str, Any]]:
    """As a client holds it that goes by what it hears alone. Fails when something is heard twice."""
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
    """The conversation, once all of it is."""

    async def kept() -> list[dict[str, Any]]:
        messages = await user.messages(PHONE)
        assert {message["status"] for message in messages} == {"delivered"}
        return messages

    return await until(kept)


@pytest.mark.parametrize("transports", TRANSPORTS, ids="+".join)
async def test_what_is_heard_at_either_gateway_is_what_the_conversation_holds(
    anna: User, transports: list[str]
) -> None:
    async with listening(anna, 0, transports) as first, listening(anna, 1, transports) as second:
        for n in range(60):
            await anna.say(PHONE, f"{n} is ä")
        kept = await delivered(anna)

        assert [message["seq"] for message in kept] == list(range(1, 61))
        await becomes(lambda: conversation(first), kept)
        await becomes(lambda: conversation(second), kept)
