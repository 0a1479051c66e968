"""Provider webhooks: signatures, receipts in any order, inbound messages."""

from typing import Any

import pytest

from conversations.store.delivery_settlement import Outcome, settle
from conversations.store.inbound import list_unassigned

from .client import ANNA, BEN, OLGA, PHONE, ConversationsClient


async def test_a_wrong_signature_is_refused_and_an_unknown_path_is_404(twilio_client: ConversationsClient) -> None:
    delivery = await twilio_client.given_delivery()
    form = {"MessageSid": "SM1", "MessageStatus": "delivered"}

    assert await twilio_client.webhook(form, f"?delivery={delivery}", signature="bm9wZQ==") == 403
    assert await twilio_client.webhook(form, f"?delivery={delivery}", path="/api/v1/webhooks/twilio/other") == 404
    assert await twilio_client.webhook(form, "", path="/api/v1/webhooks/carrier-pigeon/default") == 404
    assert await twilio_client.fetch("select status from deliveries") == [{"status": "pending"}]


async def test_receipts_out_of_order_and_repeated_give_the_right_status(twilio_client: ConversationsClient) -> None:
    delivery = await twilio_client.given_delivery()

    for status in ("delivered", "sent", "read", "delivered", "failed", "read"):
        assert (
            await twilio_client.webhook({"MessageSid": "SM1", "MessageStatus": status}, f"?delivery={delivery}") == 200
        )

    assert await twilio_client.fetch("select status, provider_ref from deliveries") == [
        {"status": "read", "provider_ref": "SM1"}
    ]
    events: list[Any] = await twilio_client.published("message.status_changed")
    assert [event.status for event in events] == ["delivered", "read"]


async def test_a_receipt_before_the_commit_of_its_send_is_not_lost(twilio_client: ConversationsClient) -> None:
    delivery = await twilio_client.given_delivery()
    await twilio_client.fetch(
        "update deliveries set status = 'sending', attempting_at = clock_timestamp(), holder = 'h'"
    )

    await twilio_client.webhook({"MessageSid": "SM1", "MessageStatus": "delivered"}, f"?delivery={delivery}")
    async with twilio_client.database.connection() as conn:
        settled = await settle(conn, [Outcome(delivery, "sent", "sent", ref="SM1")])

    assert settled.moved == set()
    assert await twilio_client.fetch("select status from deliveries") == [{"status": "delivered"}]


async def test_an_uncertain_delivery_is_settled_by_its_receipt(twilio_client: ConversationsClient) -> None:
    delivery = await twilio_client.given_delivery()
    await twilio_client.fetch("update deliveries set status = 'uncertain'")

    await twilio_client.webhook({"MessageSid": "SM1", "MessageStatus": "sent"}, f"?delivery={delivery}")

    assert await twilio_client.fetch("select status from deliveries") == [{"status": "sent"}]


async def test_an_inbound_message_is_appended_once_for_the_last_writer(twilio_client: ConversationsClient) -> None:
    await twilio_client.say(ANNA, PHONE, "hello")
    form = {"MessageSid": "SM7", "From": PHONE, "To": "+15005550006", "Body": "Hi back ☀"}

    for _ in range(2):
        assert await twilio_client.webhook(form) == 200

    assert await twilio_client.texts(ANNA, PHONE) == [(1, "hello"), (2, "Hi back ☀")]
    listed = await twilio_client.call(ANNA, "GET", "/conversations")
    assert listed.body["items"][0]["unread"] == 1
    await twilio_client.call(ANNA, "POST", f"/conversations/{PHONE}/read", {"seq": 2})
    assert (await twilio_client.call(ANNA, "GET", "/conversations")).body["items"][0]["unread"] == 0


async def test_an_inbound_message_goes_to_the_contacts_owner_else_to_the_tenants(
    twilio_client: ConversationsClient,
) -> None:
    channel = await twilio_client.given_channel()
    await twilio_client.call(ANNA, "POST", "/contacts", {"phone": PHONE, "owner_id": str(BEN.user_id)})

    await _inbound(twilio_client, channel, "SM1", PHONE, "to Ben")
    await _inbound(twilio_client, channel, "SM2", "+14155550111", "to the owner")

    assert await twilio_client.texts(BEN, PHONE) == [(1, "to Ben")]
    assert await twilio_client.texts(OLGA, "+14155550111") == [(1, "to the owner")]


async def test_an_inbound_message_goes_to_the_user_who_wrote_last(
    twilio_client: ConversationsClient,
) -> None:
    channel = await twilio_client.given_channel()
    contact = (
        await twilio_client.call(ANNA, "POST", "/contacts", {"phone": PHONE, "owner_id": str(OLGA.user_id)})
    ).body
    await twilio_client.say(BEN, PHONE, "from Ben")
    await twilio_client.say(ANNA, PHONE, "from Anna")
    await _inbound(twilio_client, channel, "SM1", PHONE, "to the owner")
    await twilio_client.call(ANNA, "PATCH", f"/contacts/{contact['id']}", {"owner_id": None})

    await _inbound(twilio_client, channel, "SM2", PHONE, "to who wrote last")
    await twilio_client.fetch("update users set disabled = true where id = $1", ANNA.user_id)
    await _inbound(twilio_client, channel, "SM3", PHONE, "to who is still there")

    assert await twilio_client.texts(OLGA, PHONE) == [(1, "to the owner")]
    assert await twilio_client.texts(ANNA, PHONE) == [(1, "from Anna"), (2, "to who wrote last")]
    assert await twilio_client.texts(BEN, PHONE) == [(1, "from Ben"), (2, "to who is still there")]


async def test_unread_counts_start_at_the_users_read_position(twilio_client: ConversationsClient) -> None:
    channel = await twilio_client.given_channel()
    await twilio_client.say(ANNA, PHONE, "hello")
    for n in range(4):
        await _inbound(twilio_client, channel, f"SM{n}", PHONE, f"answer {n}")
    counts = []
    for seq in (3, 2, 5):
        await twilio_client.call(ANNA, "POST", f"/conversations/{PHONE}/read", {"seq": seq})
        counts += [item["unread"] for item in (await twilio_client.call(ANNA, "GET", "/conversations")).body["items"]]

    assert counts == [2, 2, 0]


async def test_a_failure_receipt_notifies_the_user_once(twilio_client: ConversationsClient) -> None:
    delivery = await twilio_client.given_delivery()

    for _ in range(2):
        form = {"MessageSid": "SM1", "MessageStatus": "undelivered", "ErrorCode": "30003"}
        assert await twilio_client.webhook(form, f"?delivery={delivery}") == 200

    (notification,) = (await twilio_client.call(ANNA, "GET", "/notifications")).body["items"]
    assert (notification["title"], notification["body"]) == (
        f"Message to {PHONE} was not delivered",
        "twilio error 30003",
    )


async def test_stop_opts_out_and_start_opts_in_again(twilio_client: ConversationsClient) -> None:
    await twilio_client.say(ANNA, PHONE, "hello")
    opted = []
    for n, word in enumerate(("Stop please call me", " STOP. ", "start")):
        await twilio_client.webhook({"MessageSid": f"SM{n}", "From": PHONE, "To": "+15005550006", "Body": word})
        opted += [row["opted_out"] for row in await twilio_client.fetch("select opted_out from contacts")]

    assert opted == [False, True, False]


async def _inbound(client: ConversationsClient, channel: Any, sid: str, sender: str, text: str) -> None:
    path = f"/api/v1/webhooks/twilio/{channel['endpoint_key']}"
    form = {"MessageSid": sid, "From": sender, "To": channel["number"], "Body": text}
    assert await client.webhook(form, path=path) == 200


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("MessageSid", "SM\0"),
        ("MessageSid", "x" * 100_000),
        ("From", "1" * 5000),
        ("Body", "x" * 900_000),
    ],
)
async def test_a_webhook_that_no_provider_sends_is_refused(
    twilio_client: ConversationsClient, field: str, value: str
) -> None:
    form = {"MessageSid": "SM1", "From": PHONE, "To": "+15005550006", "Body": "hi", field: value}

    assert await twilio_client.webhook(form) == 422


async def test_media_of_an_inbound_message_are_named(twilio_client: ConversationsClient) -> None:
    await twilio_client.say(ANNA, PHONE, "hello")
    form = {
        "MessageSid": "SM9", "From": PHONE, "To": "+15005550006", "Body": "", "NumMedia": "1",
        "MediaUrl0": "https://api.twilio.com/media/1", "MediaContentType0": "image/jpeg",
    }  # fmt: skip

    assert await twilio_client.webhook(form) == 200

    texts = [text for _, text in await twilio_client.texts(ANNA, PHONE)]
    assert texts[-1] == "[image/jpeg] https://api.twilio.com/media/1"


async def test_attachments_that_a_provider_does_not_carry_are_refused(twilio_client: ConversationsClient) -> None:
    body = {"body": "see this", "attachments": ["01890000-0000-7000-8000-000000000001"]}

    answer = await twilio_client.call(ANNA, "POST", f"/conversations/{PHONE}/messages", body)

    assert (answer.status, answer.body["errors"][0]["loc"]) == (422, ["body", "attachments"])
    assert await twilio_client.fetch("select from messages") == []


async def test_a_message_of_nobodys_contact_is_kept_for_the_operator(twilio_client: ConversationsClient) -> None:
    form = {"MessageSid": "SM9", "From": "68849", "To": "+15005550006", "Body": "who are you?"}

    for _ in range(2):
        assert await twilio_client.webhook(form) == 200

    async with twilio_client.database.connection() as conn:
        (kept,) = await list_unassigned(conn)
    assert (kept["sender"], kept["body"]) == ("68849", "who are you?")
