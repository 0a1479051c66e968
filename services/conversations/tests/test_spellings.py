"""One line in two spellings, senders that are no numbers, and numbers that can't exist."""

import pytest

from .client import ANNA, OLGA, ConversationsClient
from .test_consent import consent, history, upload
from .workers import running_workers

LONG, SHORT = "+5491155550100", "+541155550100"


async def inbound(client: ConversationsClient, sender: str, body: str = "hi", sid: str = "SM1") -> int:
    return await client.webhook({"MessageSid": sid, "From": sender, "To": "+15005550006", "Body": body})


async def phones(client: ConversationsClient, path: str, field: str) -> list[str]:
    listed = await client.call(ANNA, "GET", path)
    return [item[field] for item in listed.body["items"]]


@pytest.mark.parametrize(("kept", "other"), [(LONG, SHORT), (SHORT, LONG), ("+5511987654321", "+551187654321")])
async def test_a_stop_holds_for_each_spelling(twilio_client: ConversationsClient, kept: str, other: str) -> None:
    client = twilio_client
    contact = await client.call(ANNA, "POST", "/contacts", {"phone": kept})
    await client.say(ANNA, kept, "hello")

    await inbound(client, other, "STOP")

    for phone in (kept, other):
        assert history(await consent(client, phone)) == [(True, "keyword", None)]
    shown = await client.call(ANNA, "GET", f"/contacts/{contact.body['id']}")
    assert shown.body["opted_out"] is True
    assert await phones(client, "/contacts", "phone") == [kept]
    assert await phones(client, "/conversations", "contact_phone") == [kept]


async def test_a_stop_of_one_spelling_skips_messages_to_the_other(
    twilio_client: ConversationsClient, redis_url: str
) -> None:
    client = twilio_client
    await client.say(ANNA, SHORT, "hello")
    await inbound(client, SHORT, "STOP")
    await client.fetch("update conversations set contact_phone = $1", LONG)

    async with running_workers(client, redis_url):
        await client.say(ANNA, LONG, "hello again")
        for phone in (LONG, SHORT):
            assert (await consent(client, phone))["opted_out"] is True
    rows = await client.fetch("select contact_phone, opted_out from consents c(t, contact_phone, opted_out, at)")
    assert {row["contact_phone"]: row["opted_out"] for row in rows} == {LONG: True, SHORT: True}


async def test_two_contacts_of_one_line_share_their_consent(twilio_client: ConversationsClient) -> None:
    client = twilio_client
    first = await client.call(ANNA, "POST", "/contacts", {"phone": LONG})
    await client.fetch(
        "insert into contacts (id, tenant_id, phone) select gen_random_uuid(), tenant_id, $1 from contacts", SHORT
    )  # before the two were known to be one

    changed = await client.call(ANNA, "PATCH", f"/contacts/{first.body['id']}", {"opted_out": True})

    assert changed.status == 200
    assert await client.fetch("select opted_out from contacts") == [{"opted_out": True}] * 2
    renamed = await client.call(ANNA, "PATCH", f"/contacts/{first.body['id']}", {"name": "Ana", "opted_out": False})
    assert renamed.body["name"] == "Ana"
    assert await client.fetch("select opted_out from contacts") == [{"opted_out": False}] * 2


async def test_a_second_contact_with_the_other_spelling_is_refused(client: ConversationsClient) -> None:
    await client.call(ANNA, "POST", "/contacts", {"phone": LONG})
    other = await client.call(ANNA, "POST", "/contacts", {"phone": "+5491155550199"})

    added = await client.call(ANNA, "POST", "/contacts", {"phone": SHORT})
    changed = await client.call(ANNA, "PATCH", f"/contacts/{other.body['id']}", {"phone": SHORT})

    assert (added.status, added.body["code"]) == (409, "contact_exists")
    assert (changed.status, changed.body["code"]) == (409, "contact_exists")


async def test_an_import_updates_the_contact_with_the_other_spelling(client: ConversationsClient) -> None:
    await client.call(ANNA, "POST", "/contacts", {"phone": LONG, "name": "Ana"})

    report = await upload(client, f"phone,name\n{SHORT},Ana María\n{LONG},Ana Clara\n")

    assert (report["created"], report["updated"]) == (0, 1)
    assert report["rejected"] == [{"line": 3, "reason": "the number of line 2 again"}]
    listed = await client.call(ANNA, "GET", "/contacts")
    assert [(item["phone"], item["name"]) for item in listed.body["items"]] == [(LONG, "Ana María")]


@pytest.mark.parametrize(
    ("sender", "address"), [("68849", "68849"), ("SUPPORT", "SUPPORT"), (" My Bank ", "My Bank"), ("***", "unknown")]
)
async def test_a_sender_without_a_number_is_kept(twilio_client: ConversationsClient, sender: str, address: str) -> None:
    client = twilio_client
    channel = await client.given_channel()
    form = {"MessageSid": "SM1", "From": sender, "To": channel["number"], "Body": "hi"}
    path = f"/api/v1/webhooks/twilio/{channel['endpoint_key']}"

    assert await client.webhook(form, path=path) == 200

    kept = await client.fetch("select contact_phone from conversations")
    assert kept == [{"contact_phone": address}]
    assert await client.fetch("select from contacts") == []
    answer = await client.call(OLGA, "POST", f"/conversations/{address}/messages", {"body": "hi"})
    assert (answer.status, answer.body["errors"][0]["loc"]) == (422, ["path", "phone"])
    read = await client.call(OLGA, "GET", f"/conversations/{address}/messages")
    assert [item["body"] for item in read.body["items"]] == ["hi"]


@pytest.mark.parametrize("phone", ["000-000-0000", "+15550000000", "+11234567890", "+440000000000", "+999123456789"])
async def test_a_number_that_cannot_exist_is_refused(client: ConversationsClient, phone: str) -> None:
    added = await client.call(ANNA, "POST", "/contacts", {"phone": phone})
    sent = await client.call(ANNA, "POST", f"/conversations/{phone}/messages", {"body": "hi"})
    report = await upload(client, f"phone\n{phone}\n")

    assert (added.status, added.body["errors"][0]["loc"]) == (422, ["body", "phone"])
    assert sent.status == 422
    assert (report["created"], len(report["rejected"])) == (0, 1)


async def test_a_stored_number_that_cannot_exist_stays_readable(client: ConversationsClient) -> None:
    await client.say(ANNA, "+14155550100", "hello")
    await client.fetch("update conversations set contact_phone = '+15550000000'")

    read = await client.call(ANNA, "GET", "/conversations/+15550000000/messages")

    assert [item["body"] for item in read.body["items"]] == ["hello"]


async def test_tags_are_found_whatever_their_case(client: ConversationsClient) -> None:
    await client.call(ANNA, "POST", "/contacts", {"phone": "+14155550100", "tags": ["VIP"]})

    assert await phones(client, "/contacts?tag=vip", "phone") == ["+14155550100"]
