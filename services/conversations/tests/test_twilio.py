"""Sending through Twilio's API: requests, and what follows from each answer."""

import base64
import hashlib
import hmac
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from conversations.adapters.twilio import Twilio, open_twilio
from conversations.domain.providers import InboundMessage, NotSent, Outgoing, Throttled
from conversations.workers.call_dialer import CallDialer
from switchboard.contracts.auth import UserUpdated
from switchboard.contracts.conversation_commands import CallPlace
from switchboard.testing import until

from .client import ANNA, BEN, NOW, PHONE, PUBLIC_URL, STRANGER, TENANT, TWILIO, ConversationsClient, open_client
from .workers import running_workers

MESSAGE = Outgoing(UUID(int=5), TENANT, PHONE, "hello")


@dataclass
class ReceivedRequest:
    path: str
    user: str
    form: dict[str, str]


class TwilioServer:
    """A server that records requests. It gives the planned answers first, then accepts."""

    def __init__(self) -> None:
        self.requests: list[ReceivedRequest] = []
        self.plan: list[web.Response] = []

    async def serve(self, request: web.Request) -> web.StreamResponse:
        user = base64.b64decode(request.headers["Authorization"].removeprefix("Basic ")).decode().partition(":")[0]
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.requests.append(ReceivedRequest(request.path, user, form))
        return self.plan.pop(0) if self.plan else web.json_response({"sid": f"SM{len(self.requests)}"}, status=201)


@pytest.fixture
async def server() -> AsyncIterator[tuple[TwilioServer, str]]:
    side, app = TwilioServer(), web.Application()
    app.router.add_post("/{path:.*}", side.serve)
    async with TestServer(app) as server:
        yield side, str(server.make_url("")).rstrip("/")


@pytest.fixture
async def twilio(server: tuple[TwilioServer, str]) -> AsyncIterator[Twilio]:
    async with open_twilio(server[1], PUBLIC_URL) as twilio:
        yield twilio


@pytest.fixture
async def client(
    database_url: Callable[[str], str], server: tuple[TwilioServer, str]
) -> AsyncIterator[ConversationsClient]:
    async with open_client(database_url("conversations"), default=TWILIO, twilio_at=server[1]) as client:
        await client.given_users()
        yield client


async def test_a_message_is_sent_as_the_api_requires(twilio: Twilio, server: tuple[TwilioServer, str]) -> None:
    assert await twilio.send(TWILIO, MESSAGE) == "SM1"

    assert server[0].requests == [
        ReceivedRequest(
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
    ("headers", "least", "most"),
    [
        ({"Retry-After": "7"}, 7.0, 7.0),
        ({"Retry-After": format_datetime(datetime.now(UTC) + timedelta(hours=2), usegmt=True)}, 300.0, 300.0),
        ({"Retry-After": "soon"}, 1.0, 1.0),
        ({"Retry-After": "-3"}, 0.0, 0.0),
        ({}, 1.0, 1.0),
    ],
)
async def test_retry_after_of_a_429_is_parsed(
    twilio: Twilio, server: tuple[TwilioServer, str], headers: dict[str, str], least: float, most: float
) -> None:
    server[0].plan = [web.Response(status=429, headers=headers)]

    with pytest.raises(Throttled) as raised:
        await twilio.send(TWILIO, MESSAGE)

    assert least <= raised.value.after <= most


async def test_a_refused_connection_is_retryable() -> None:
    async with open_twilio("http://127.0.0.1:9", PUBLIC_URL) as nowhere:
        with pytest.raises(NotSent) as raised:
            await nowhere.send(TWILIO, MESSAGE)
    assert raised.value.retryable


@pytest.mark.parametrize(("policy", "status", "requests"), [("hold", "uncertain", 1), ("resend", "sent", 2)])
async def test_an_unknown_outcome_is_held_or_resent_by_policy(
    client: ConversationsClient,
    redis_url: str,
    server: tuple[TwilioServer, str],
    policy: str,
    status: str,
    requests: int,
) -> None:
    server[0].plan = [web.Response(status=500)]

    async with running_workers(client, redis_url, resends=policy == "resend"):
        message = await client.say(ANNA, PHONE, "hello")
        await until(lambda: client.fetch("select from deliveries where status = $1", status), within=15)

    assert len(server[0].requests) == requests
    (shown,) = (await client.call(ANNA, "GET", f"/conversations/{PHONE}/messages")).body["items"]
    assert (shown["id"], shown["status"]) == (message["id"], status)


async def test_a_refused_message_fails_with_twilios_error_and_no_retry(
    client: ConversationsClient, redis_url: str, server: tuple[TwilioServer, str]
) -> None:
    server[0].plan = [web.json_response({"code": 21211, "message": "Invalid 'To'"}, status=400)]

    async with running_workers(client, redis_url):
        await client.say(ANNA, PHONE, "hello")
        await until(lambda: client.fetch("select from notifications"))

    assert await client.fetch("select status, error from messages") == [
        {"status": "failed", "error": "twilio refused: Invalid 'To' (21211)"}
    ]
    assert len(server[0].requests) == 1


async def test_a_throttled_message_is_retried_without_counting_the_attempt(
    client: ConversationsClient, redis_url: str, server: tuple[TwilioServer, str]
) -> None:
    server[0].plan = [web.Response(status=429, headers={"Retry-After": "0.1"}) for _ in range(10)]

    async with running_workers(client, redis_url):
        await client.say(ANNA, PHONE, "hello")
        await until(lambda: client.fetch("select from deliveries where status = 'sent' and attempts = 1"), within=30)

    assert len(server[0].requests) == 11


async def test_each_tenant_sends_through_its_own_channel(
    client: ConversationsClient, redis_url: str, server: tuple[TwilioServer, str]
) -> None:
    body = {
        "provider": "twilio",
        "number": "+1 500 555 0009",
        "credentials": {"account_sid": "AC9", "auth_token": "theirs"},
    }
    channel = (await client.call(STRANGER, "POST", "/channels", body)).body

    async with running_workers(client, redis_url):
        await client.say(ANNA, PHONE, "hello")
        await client.say(STRANGER, PHONE, "hello")
        await until(lambda: len(server[0].requests) == 2)

    events = {
        requests.user: (requests.form["From"], requests.form["StatusCallback"].split("?")[0])
        for requests in server[0].requests
    }
    assert events == {
        "AC1": ("+15005550006", f"{PUBLIC_URL}/api/v1/webhooks/twilio/default"),
        "AC9": ("+15005550009", channel["webhook"]),
    }


async def test_a_call_rings_the_users_own_phone_and_then_connects_the_contact(
    client: ConversationsClient, server: tuple[TwilioServer, str]
) -> None:
    user = UserUpdated(
        user_id=BEN.user_id, email="b@x.example", name="B", role="admin", disabled=False, notify_phone="+14155550177"
    )
    await client.deliver(user)
    call = CallPlace(call_id=UUID(int=70), user_id=BEN.user_id, contact_phone=PHONE, scheduled_at=NOW)
    await client.deliver(call)
    await client.deliver(call)

    dialer = CallDialer(client.database, client.accounts, instance="conversations-test")
    assert (await dialer.place_due_calls(), await dialer.place_due_calls()) == (1, 0)

    (requests,) = server[0].requests
    assert requests.path == "/2010-04-01/Accounts/AC1/Calls.json"
    assert requests.form == {
        "To": "+14155550177",
        "From": "+15005550006",
        "Twiml": f"<Response><Dial>{PHONE}</Dial></Response>",
        "StatusCallback": f"{PUBLIC_URL}/api/v1/webhooks/twilio/default?call={call.call_id}",
    }
    assert [event.type for event in await _call_events(client)] == ["call.ringing"]


async def _call_events(client: ConversationsClient) -> list[Any]:
    return [event for event in await client.published() if event.type.startswith("call.")]


async def test_a_messaging_service_chooses_the_sender(server: tuple[TwilioServer, str], twilio: Twilio) -> None:
    await twilio.send(replace(TWILIO, number="MG" + "0a" * 16), MESSAGE)

    (request,) = server[0].requests
    assert request.form["MessagingServiceSid"] == "MG" + "0a" * 16
    assert "From" not in request.form


@pytest.mark.parametrize(
    ("public", "signed"),
    [
        ("https://crm.example.com", "https://crm.example.com:443"),
        ("https://crm.example.com:443", "https://crm.example.com"),
        ("http://localhost:8080", "http://localhost"),
    ],
)
async def test_a_signature_may_leave_the_port_out_or_name_it(public: str, signed: str) -> None:
    target = "/api/v1/webhooks/twilio/default"
    form = [
        ("Body", "hi"),
        ("From", PHONE),
        ("MediaUrl", "b"),
        ("MediaUrl", "a"),
        ("MediaUrl", "a"),
        ("MessageSid", "SM1"),
    ]
    once = [("Body", "hi"), ("From", PHONE), ("MediaUrl", "a"), ("MediaUrl", "b"), ("MessageSid", "SM1")]
    text = signed + target + "".join(name + value for name, value in once)
    token = TWILIO.credentials["auth_token"]
    expected = base64.b64encode(hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()).decode()
    async with open_twilio("http://127.0.0.1:1", public) as twilio:
        event = twilio.read_webhook(TWILIO, target, {"X-Twilio-Signature": expected}, urlencode(form).encode())

    assert isinstance(event, InboundMessage)


async def test_a_reply_leaves_from_the_channel_that_the_contact_wrote_to(
    database_url: Callable[[str], str], redis_url: str, server: tuple[TwilioServer, str]
) -> None:
    async with open_client(database_url("conversations"), twilio_at=server[1]) as client:
        await client.given_users()
        made = {}
        for number in ("+14155550111", "+14155550112"):
            body = {
                "provider": "twilio",
                "number": number,
                "credentials": {"account_sid": "AC8", "auth_token": "token"},
            }
            made[number] = (await client.call(BEN, "POST", "/channels", body)).body
        form = {"MessageSid": "SM1", "From": PHONE, "To": "+14155550112", "Body": "hi"}
        path = f"/api/v1/webhooks/twilio/{made['+14155550112']['endpoint_key']}"
        assert await client.webhook(form, path=path) == 200

        async with running_workers(client, redis_url):
            await client.say(ANNA, PHONE, "hello")
            await until(lambda: len(server[0].requests) == 1)
            await client.say(ANNA, "+14155550120", "hello")
            await until(lambda: len(server[0].requests) == 2)
            await client.call(BEN, "DELETE", f"/channels/{made['+14155550112']['id']}")
            await client.say(ANNA, PHONE, "still there?")
            await until(lambda: len(server[0].requests) == 3)

    senders = [(request.form["To"], request.form["From"]) for request in server[0].requests]
    assert senders == [
        (PHONE, "+14155550112"),
        ("+14155550120", "+14155550111"),
        (PHONE, "+14155550111"),
    ]


async def test_a_send_that_the_recipient_has_refused_is_their_consent(
    database_url: Callable[[str], str], redis_url: str, server: tuple[TwilioServer, str]
) -> None:
    refusal = {"code": 21610, "message": "Attempt to send to unsubscribed recipient"}
    server[0].plan.append(web.json_response(refusal, status=400))
    async with open_client(database_url("conversations"), default=TWILIO, twilio_at=server[1]) as client:
        await client.given_users()
        async with running_workers(client, redis_url):
            await client.say(ANNA, PHONE, "hello")
            await until(lambda: client.fetch("select from deliveries where status = 'failed'"))
            await client.say(ANNA, PHONE, "hello again")
            await until(lambda: client.fetch("select from deliveries where status = 'skipped'"))

        consent = (await client.call(ANNA, "GET", f"/consent/{PHONE}")).body

    assert (consent["opted_out"], consent["history"][0]["source"]) == (True, "provider")
    assert len(server[0].requests) == 1
