"""What providers tell us: signed, once, and in any order."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest

from conversations.store import deliveries
from switchboard.contracts.conversations import CallPlace, CallsCleanup

from .fake_twilio import sign
from .world import ANNA, BEN, NOW, OLGA, PHONE, PUBLIC_URL, STRANGER, TWILIO, World, open_world

HOOK = "/api/v1/webhooks/twilio/default"


@pytest.fixture
async def twilio(database_url: Callable[[str], str]) -> AsyncIterator[World]:
    async with open_world(database_url("conversations"), default=TWILIO) as world:
        await world.given_users()
        yield world


async def _hook(world: World, form: dict[str, str], query: str = "", *, path: str = HOOK, signed: str = "") -> int:
    target = path + query
    headers = {
        "X-Twilio-Signature": signed or sign(PUBLIC_URL + target, form),
        "Content-Type": "application/x-www-form-urlencoded",
    }
    async with world.client.post(target, data=urlencode(form), headers=headers) as answer:
        return answer.status


async def _given_delivery(world: World) -> UUID:
    await world.say(ANNA, PHONE, "hello")
    (row,) = await world.fetch("select id from deliveries")
    return UUID(str(row["id"]))


async def test_a_wrong_signature_is_refused_and_an_unknown_path_is_not_there(twilio: World) -> None:
    delivery = await _given_delivery(twilio)
    form = {"MessageSid": "SM1", "MessageStatus": "delivered"}

    assert await _hook(twilio, form, f"?delivery={delivery}", signed="bm9wZQ==") == 403
    assert await _hook(twilio, form, f"?delivery={delivery}", path="/api/v1/webhooks/twilio/other") == 404
    assert await _hook(twilio, form, "", path="/api/v1/webhooks/carrier-pigeon/default") == 404
    assert await twilio.fetch("select status from deliveries") == [{"status": "pending"}]


async def test_receipts_out_of_order_and_twice_end_in_the_right_status(twilio: World) -> None:
    delivery = await _given_delivery(twilio)

    for status in ("delivered", "sent", "read", "delivered", "failed", "read"):
        assert await _hook(twilio, {"MessageSid": "SM1", "MessageStatus": status}, f"?delivery={delivery}") == 200

    assert await twilio.fetch("select status, provider_ref from deliveries") == [
        {"status": "read", "provider_ref": "SM1"}
    ]
    told: list[Any] = await twilio.published("message.status_changed")
    assert [event.status for event in told] == ["delivered", "read"]


async def test_a_receipt_before_the_sends_own_commit_is_not_lost(twilio: World) -> None:
    delivery = await _given_delivery(twilio)
    await twilio.fetch("update deliveries set status = 'sending', attempting_at = clock_timestamp(), holder = 'h'")

    await _hook(twilio, {"MessageSid": "SM1", "MessageStatus": "delivered"}, f"?delivery={delivery}")
    async with twilio.database.connection() as conn:
        moved = await deliveries.settle(conn, [deliveries.News(delivery, "sent", "sent", ref="SM1")])

    assert moved == set()
    assert await twilio.fetch("select status from deliveries") == [{"status": "delivered"}]


async def test_an_uncertain_delivery_is_settled_by_its_receipt(twilio: World) -> None:
    delivery = await _given_delivery(twilio)
    await twilio.fetch("update deliveries set status = 'uncertain'")

    await _hook(twilio, {"MessageSid": "SM1", "MessageStatus": "sent"}, f"?delivery={delivery}")

    assert await twilio.fetch("select status from deliveries") == [{"status": "sent"}]


async def test_an_inbound_message_lands_once_with_who_wrote_last(twilio: World) -> None:
    await twilio.say(ANNA, PHONE, "hello")
    form = {"MessageSid": "SM7", "From": PHONE, "To": "+15005550006", "Body": "Hi back ☀"}

    for _ in range(2):
        assert await _hook(twilio, form) == 200

    assert await twilio.texts(ANNA, PHONE) == [(1, "hello"), (2, "Hi back ☀")]
    listed = await twilio.call(ANNA, "GET", "/conversations")
    assert listed.body["items"][0]["unread"] == 1
    await twilio.call(ANNA, "POST", f"/conversations/{PHONE}/read", {"seq": 2})
    assert (await twilio.call(ANNA, "GET", "/conversations")).body["items"][0]["unread"] == 0


async def test_an_inbound_message_goes_to_the_contacts_owner_else_to_the_tenants(twilio: World) -> None:
    channel = await _given_channel(twilio)
    await twilio.call(ANNA, "POST", "/contacts", {"phone": PHONE, "owner_id": str(BEN.user_id)})

    await _inbound(twilio, channel, "SM1", PHONE, "to Ben")
    await _inbound(twilio, channel, "SM2", "+14155550111", "to the owner")

    assert await twilio.texts(BEN, PHONE) == [(1, "to Ben")]
    assert await twilio.texts(OLGA, "+14155550111") == [(1, "to the owner")]


async def test_an_inbound_message_goes_to_who_wrote_last_and_not_to_who_was_written_to(twilio: World) -> None:
    channel = await _given_channel(twilio)
    contact = (await twilio.call(ANNA, "POST", "/contacts", {"phone": PHONE, "owner_id": str(OLGA.user_id)})).body
    await twilio.say(BEN, PHONE, "from Ben")
    await twilio.say(ANNA, PHONE, "from Anna")
    await _inbound(twilio, channel, "SM1", PHONE, "to the owner")
    await twilio.call(ANNA, "PATCH", f"/contacts/{contact['id']}", {"owner_id": None})

    await _inbound(twilio, channel, "SM2", PHONE, "to who wrote last")
    await twilio.fetch("update users set disabled = true where id = $1", ANNA.user_id)
    await _inbound(twilio, channel, "SM3", PHONE, "to who is still there")

    assert await twilio.texts(OLGA, PHONE) == [(1, "to the owner")]
    assert await twilio.texts(ANNA, PHONE) == [(1, "from Anna"), (2, "to who wrote last")]
    assert await twilio.texts(BEN, PHONE) == [(1, "from Ben"), (2, "to who is still there")]


async def test_unread_messages_are_counted_from_where_the_user_has_read(twilio: World) -> None:
    channel = await _given_channel(twilio)
    await twilio.say(ANNA, PHONE, "hello")
    for n in range(4):
        await _inbound(twilio, channel, f"SM{n}", PHONE, f"answer {n}")
    counts = []
    for seq in (3, 2, 5):
        await twilio.call(ANNA, "POST", f"/conversations/{PHONE}/read", {"seq": seq})
        counts += [item["unread"] for item in (await twilio.call(ANNA, "GET", "/conversations")).body["items"]]

    assert counts == [2, 2, 0]


async def test_a_failure_that_a_receipt_tells_of_reaches_the_user_once(twilio: World) -> None:
    delivery = await _given_delivery(twilio)

    for _ in range(2):
        form = {"MessageSid": "SM1", "MessageStatus": "undelivered", "ErrorCode": "30003"}
        assert await _hook(twilio, form, f"?delivery={delivery}") == 200

    (told,) = (await twilio.call(ANNA, "GET", "/notifications")).body["items"]
    assert (told["title"], told["body"]) == (f"Message to {PHONE} was not delivered", "twilio error 30003")


async def test_a_sandbox_webhook_is_signed_with_the_channels_own_secret(twilio: World) -> None:
    body = {"provider": "sandbox", "number": "+15005550007", "credentials": {"secret": "shh"}}
    channel = (await twilio.call(BEN, "POST", "/channels", body)).body
    said = b'{"id": "1", "from": "+14155550100", "to": "+15005550007", "body": "hi"}'
    answers = []
    for secret in ("other", "shh", "shh"):
        signed = hmac.new(secret.encode(), said, hashlib.sha256).hexdigest()
        path = f"/api/v1/webhooks/sandbox/{channel['endpoint_key']}"
        async with twilio.client.post(path, data=said, headers={"X-Sandbox-Signature": signed}) as answer:
            answers.append(answer.status)

    assert answers == [403, 200, 200]
    assert await twilio.texts(OLGA, PHONE) == [(1, "hi")]


async def test_stop_opts_out_and_start_opts_in_again(twilio: World) -> None:
    await twilio.say(ANNA, PHONE, "hello")
    opted = []
    for n, word in enumerate(("Stop please call me", " STOP. ", "start")):
        await _hook(twilio, {"MessageSid": f"SM{n}", "From": PHONE, "To": "+15005550006", "Body": word})
        opted += [row["opted_out"] for row in await twilio.fetch("select opted_out from contacts")]

    assert opted == [False, True, False]


async def test_a_tenants_channel_says_nothing_about_anothers_messages(twilio: World) -> None:
    delivery = await _given_delivery(twilio)
    body = {
        "provider": "twilio",
        "number": "+15005550009",
        "credentials": {"account_sid": "AC9", "auth_token": "token"},
    }
    foreign = (await twilio.call(STRANGER, "POST", "/channels", body)).body

    path = f"/api/v1/webhooks/twilio/{foreign['endpoint_key']}"
    form = {"MessageSid": "SM1", "MessageStatus": "failed"}
    assert await _hook(twilio, form, f"?delivery={delivery}", path=path) == 200

    assert await twilio.fetch("select status from deliveries") == [{"status": "pending"}]


async def test_channels_are_the_admins_and_never_show_credentials(twilio: World) -> None:
    channel = await _given_channel(twilio)

    listed = await twilio.call(BEN, "GET", "/channels")

    assert "credentials" not in channel
    assert [item["id"] for item in listed.body["items"]] == [channel["id"]]
    assert channel["webhook"] == f"{PUBLIC_URL}/api/v1/webhooks/twilio/{channel['endpoint_key']}"
    assert (await twilio.call(ANNA, "GET", "/channels")).status == 403
    assert (await twilio.call(STRANGER, "DELETE", f"/channels/{channel['id']}")).status == 404
    assert (await twilio.call(BEN, "DELETE", f"/channels/{channel['id']}")).status == 204


async def test_a_call_goes_from_ringing_to_its_end_and_no_further(twilio: World) -> None:
    call = CallPlace(call_id=UUID(int=70), user_id=ANNA.user_id, contact_phone=PHONE, scheduled_at=NOW, note="offer")
    await twilio.deliver(call)

    for status in ("ringing", "no-answer", "completed"):
        await _hook(twilio, {"CallSid": "CA1", "CallStatus": status}, f"?call={call.call_id}")

    told = [event.type for event in await twilio.published() if event.type.startswith("call.")]
    assert told == ["call.ringing", "call.missed"]
    history = await twilio.call(ANNA, "GET", f"/calls/{call.call_id}/events")
    assert [entry["kind"] for entry in history.body["items"]] == ["requested", "ringing", "missed"]
    unknown = await twilio.call(STRANGER, "GET", f"/calls/{call.call_id}/events")
    assert (unknown.status, unknown.body["detail"]) == (404, "This call is unknown, or was not placed yet.")


async def test_calls_that_never_ended_were_missed(twilio: World) -> None:
    call = CallPlace(call_id=UUID(int=70), user_id=ANNA.user_id, contact_phone=PHONE, scheduled_at=NOW)
    await twilio.deliver(call)
    await twilio.fetch("update calls set status = 'ringing', due_at = clock_timestamp() - interval '5 hours'")

    await twilio.deliver(CallsCleanup())
    await twilio.deliver(CallsCleanup())

    told = [event.type for event in await twilio.published() if event.type.startswith("call.")]
    assert told == ["call.missed"]
    (notification,) = (await twilio.call(ANNA, "GET", "/notifications")).body["items"]
    assert notification["title"] == f"Call with {PHONE}: missed"


async def _given_channel(world: World) -> Any:
    body = {
        "provider": "twilio",
        "number": "+1 500 555 0008",
        "credentials": {"account_sid": "AC8", "auth_token": "token"},
    }
    answer = await world.call(BEN, "POST", "/channels", body)
    assert answer.status == 201, answer.body
    return answer.body


async def _inbound(world: World, channel: Any, sid: str, sender: str, text: str) -> None:
    path = f"/api/v1/webhooks/twilio/{channel['endpoint_key']}"
    form = {"MessageSid": sid, "From": sender, "To": channel["number"], "Body": text}
    assert await _hook(world, form, path=path) == 200
