"""Sending through Twilio's API: what it is told, what it answers, and what that means."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from uuid import UUID

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from conversations.adapters.twilio import Twilio, open_twilio
from conversations.domain.providers import NotSent, Outgoing, Throttled
from conversations.workers.call_dialer import CallPlacer
from switchboard.contracts.auth import UserUpdated
from switchboard.contracts.conversations import CallPlace
from switchboard.testing import until

from .senders import sending
from .world import ANNA, BEN, NOW, PHONE, PUBLIC_URL, STRANGER, TENANT, TWILIO, World, open_world

MESSAGE = Outgoing(UUID(int=5), TENANT, PHONE, "hello")


@dataclass
class Asked:
    path: str
    user: str
    form: dict[str, str]


class Answering:
    """Twilio's side: what was asked, and what it answers next; yes when nothing is planned."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.plan: list[web.Response] = []

    async def serve(self, request: web.Request) -> web.StreamResponse:
        user = base64.b64decode(request.headers["Authorization"].removeprefix("Basic ")).decode().partition(":")[0]
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.asked.append(Asked(request.path, user, form))
        return self.plan.pop(0) if self.plan else web.json_response({"sid": f"SM{len(self.asked)}"}, status=201)


@pytest.fixture
async def answering() -> AsyncIterator[tuple[Answering, str]]:
    side, app = Answering(), web.Application()
    app.router.add_post("/{path:.*}", side.serve)
    async with TestServer(app) as server:
        yield side, str(server.make_url("")).rstrip("/")


@pytest.fixture
async def twilio(answering: tuple[Answering, str]) -> AsyncIterator[Twilio]:
    async with open_twilio(answering[1], PUBLIC_URL) as twilio:
        yield twilio


@pytest.fixture
async def world(database_url: Callable[[str], str], answering: tuple[Answering, str]) -> AsyncIterator[World]:
    async with open_world(database_url("conversations"), default=TWILIO, twilio_at=answering[1]) as world:
        await world.given_users()
        yield world


async def test_a_message_is_sent_as_the_api_wants_it(twilio: Twilio, answering: tuple[Answering, str]) -> None:
    assert await twilio.send(TWILIO, MESSAGE) == "SM1"

    assert answering[0].asked == [
        Asked(
            "/2010-04-01/Accounts/AC1/Messages.json",
            "AC1",
            {
                "To": PHONE,
                "From": "+15005550006",
                "Body": "hello",
                "StatusCallback": f"{PUBLIC_URL}/api/v1/webhooks/twilio/default?delivery={MESSAGE.id}",
            },
        )
    ]


@pytest.mark.parametrize(
    ("asks", "least", "most"),
    [
        ({"Retry-After": "7"}, 7.0, 7.0),
        ({"Retry-After": format_datetime(datetime.now(UTC) + timedelta(hours=2), usegmt=True)}, 300.0, 300.0),
        ({"Retry-After": "soon"}, 1.0, 1.0),
        ({"Retry-After": "-3"}, 0.0, 0.0),
        ({}, 1.0, 1.0),
    ],
)
async def test_a_429_says_for_how_long(
    twilio: Twilio, answering: tuple[Answering, str], asks: dict[str, str], least: float, most: float
) -> None:
    answering[0].plan = [web.Response(status=429, headers=asks)]

    with pytest.raises(Throttled) as raised:
        await twilio.send(TWILIO, MESSAGE)

    assert least <= raised.value.after <= most


async def test_nothing_is_sent_where_nobody_listens() -> None:
    async with open_twilio("http://127.0.0.1:9", PUBLIC_URL) as nowhere:
        with pytest.raises(NotSent) as raised:
            await nowhere.send(TWILIO, MESSAGE)
    assert raised.value.again


@pytest.mark.parametrize(("policy", "status", "asked"), [("hold", "uncertain", 1), ("resend", "sent", 2)])
async def test_an_unknown_outcome_is_held_or_sent_again_as_the_operator_chose(
    world: World, redis_url: str, answering: tuple[Answering, str], policy: str, status: str, asked: int
) -> None:
    answering[0].plan = [web.Response(status=500)]

    async with sending(world, redis_url, uncertain_policy=policy):
        message = await world.say(ANNA, PHONE, "hello")
        await until(lambda: world.fetch("select from deliveries where status = $1", status), within=15)

    assert len(answering[0].asked) == asked
    (shown,) = (await world.call(ANNA, "GET", f"/conversations/{PHONE}/messages")).body["items"]
    assert (shown["id"], shown["status"]) == (message["id"], status)


async def test_what_twilio_refuses_fails_with_its_words_and_is_not_tried_again(
    world: World, redis_url: str, answering: tuple[Answering, str]
) -> None:
    answering[0].plan = [web.json_response({"code": 21211, "message": "Invalid 'To'"}, status=400)]

    async with sending(world, redis_url):
        await world.say(ANNA, PHONE, "hello")
        await until(lambda: world.fetch("select from notifications"))

    assert await world.fetch("select status, error from messages") == [
        {"status": "failed", "error": "twilio refused: Invalid 'To' (21211)"}
    ]
    assert len(answering[0].asked) == 1


async def test_a_throttled_message_is_sent_later_and_the_attempt_does_not_count(
    world: World, redis_url: str, answering: tuple[Answering, str]
) -> None:
    answering[0].plan = [web.Response(status=429, headers={"Retry-After": "0.1"}) for _ in range(10)]

    async with sending(world, redis_url):
        await world.say(ANNA, PHONE, "hello")
        await until(lambda: world.fetch("select from deliveries where status = 'sent' and attempts = 1"), within=30)

    assert len(answering[0].asked) == 11


async def test_each_tenant_sends_through_its_own_channel(
    world: World, redis_url: str, answering: tuple[Answering, str]
) -> None:
    body = {
        "provider": "twilio",
        "number": "+1 500 555 0009",
        "credentials": {"account_sid": "AC9", "auth_token": "theirs"},
    }
    channel = (await world.call(STRANGER, "POST", "/channels", body)).body

    async with sending(world, redis_url):
        await world.say(ANNA, PHONE, "hello")
        await world.say(STRANGER, PHONE, "hello")
        await until(lambda: len(answering[0].asked) == 2)

    told = {
        asked.user: (asked.form["From"], asked.form["StatusCallback"].split("?")[0]) for asked in answering[0].asked
    }
    assert told == {
        "AC1": ("+15005550006", f"{PUBLIC_URL}/api/v1/webhooks/twilio/default"),
        "AC9": ("+15005550009", channel["webhook"]),
    }


async def test_a_call_rings_the_users_own_phone_and_then_connects_the_contact(
    world: World, answering: tuple[Answering, str]
) -> None:
    user = UserUpdated(
        user_id=BEN.user_id, email="b@x.example", name="B", role="admin", disabled=False, notify_phone="+14155550177"
    )
    await world.deliver(user)
    call = CallPlace(call_id=UUID(int=70), user_id=BEN.user_id, contact_phone=PHONE, scheduled_at=NOW)
    await world.deliver(call)
    await world.deliver(call)

    placer = CallPlacer(world.database, world.accounts, instance="conversations-test")
    assert (await placer.place_some(), await placer.place_some()) == (1, 0)

    (asked,) = answering[0].asked
    assert asked.path == "/2010-04-01/Accounts/AC1/Calls.json"
    assert asked.form == {
        "To": "+14155550177",
        "From": "+15005550006",
        "Twiml": f"<Response><Dial>{PHONE}</Dial></Response>",
        "StatusCallback": f"{PUBLIC_URL}/api/v1/webhooks/twilio/default?call={call.call_id}",
    }
    assert [event.type for event in await _calls_told(world)] == ["call.ringing"]


async def _calls_told(world: World) -> list[Any]:
    return [event for event in await world.published() if event.type.startswith("call.")]
