"""Consent belongs to a tenant and a number, whatever becomes of the contact."""

from typing import Any

from switchboard.testing import becomes
from switchboard.testing.app import identity_headers

from .client import ANNA, BEN, PHONE, STRANGER, ConversationsClient
from .workers import running_workers


async def stop(client: ConversationsClient, word: str = "STOP", sid: str = "SM-stop") -> None:
    await client.webhook({"MessageSid": sid, "From": PHONE, "To": "+15005550006", "Body": word})


async def consent(client: ConversationsClient, phone: str = PHONE) -> dict[str, Any]:
    answer = await client.call(ANNA, "GET", f"/consent/{phone}")
    assert answer.status == 200, answer.body
    return dict(answer.body)


def history(answer: dict[str, Any]) -> list[tuple[bool, str, str | None]]:
    return [(change["opted_out"], change["source"], change["by"]) for change in answer["history"]]


async def upload(client: ConversationsClient, text: str) -> Any:
    headers = {**identity_headers(BEN, "conversations"), "Content-Type": "text/csv"}
    async with client.http.post("/api/v1/contacts/import", data=text.encode(), headers=headers) as answer:
        return await answer.json(content_type=None)


async def contact_of(client: ConversationsClient, phone: str = PHONE) -> dict[str, Any]:
    listed = await client.call(ANNA, "GET", "/contacts")
    return dict(next(item for item in listed.body["items"] if item["phone"] == phone))


async def test_a_stop_survives_the_contact(twilio_client: ConversationsClient) -> None:
    client = twilio_client
    await client.say(ANNA, PHONE, "hello")
    await stop(client)

    await client.call(ANNA, "DELETE", f"/contacts/{(await contact_of(client))['id']}")
    added = await client.call(ANNA, "POST", "/contacts", {"phone": PHONE, "opted_out": False})

    assert added.body["opted_out"] is True
    assert history(await consent(client)) == [(True, "keyword", None)]
    by_contact = await client.call(ANNA, "GET", f"/contacts/{added.body['id']}/consent")
    assert by_contact.body == await consent(client)


async def test_a_deleted_contact_that_stopped_gets_no_message(client: ConversationsClient, redis_url: str) -> None:
    async with running_workers(client, redis_url):
        await client.say(ANNA, PHONE, "hello")
        await becomes(lambda: client.fetch("select status from deliveries"), [{"status": "delivered"}])
        contact = await contact_of(client)
        await client.call(ANNA, "PATCH", f"/contacts/{contact['id']}", {"opted_out": True})
        await client.call(ANNA, "DELETE", f"/contacts/{contact['id']}")
        await client.say(ANNA, PHONE, "hello again")
        await becomes(
            lambda: client.fetch("select status from deliveries order by seq"),
            [{"status": "delivered"}, {"status": "skipped"}],
        )


async def test_an_import_gives_no_consent_back(twilio_client: ConversationsClient) -> None:
    client = twilio_client
    await client.say(ANNA, PHONE, "hello")
    await stop(client)
    await client.call(ANNA, "DELETE", f"/contacts/{(await contact_of(client))['id']}")

    other = "+14155550177"
    imported = await upload(client, f"phone,opted_out\n{PHONE},false\n{other},true\n")

    assert imported["created"] == 2
    assert [(await contact_of(client, phone))["opted_out"] for phone in (PHONE, other)] == [True, True]
    assert history(await consent(client, other)) == [(True, "import", None)]


async def test_a_user_gives_consent_back_by_an_act_of_their_own(twilio_client: ConversationsClient) -> None:
    client = twilio_client
    await client.say(ANNA, PHONE, "hello")
    await stop(client)
    contact = await contact_of(client)

    changed = await client.call(ANNA, "PATCH", f"/contacts/{contact['id']}", {"opted_out": False})
    await stop(client, "Opt out", "SM-2")
    await stop(client, "START", "SM-3")

    assert changed.body["opted_out"] is False
    found = await consent(client)
    assert found["opted_out"] is False
    assert history(found) == [
        (False, "keyword", None),
        (True, "keyword", None),
        (False, "user", str(ANNA.user_id)),
        (True, "keyword", None),
    ]


async def test_a_contact_with_another_number_has_that_numbers_consent(twilio_client: ConversationsClient) -> None:
    client = twilio_client
    await client.say(ANNA, PHONE, "hello")
    await stop(client)
    path = f"/contacts/{(await contact_of(client))['id']}"

    moved = await client.call(ANNA, "PATCH", path, {"phone": "+14155550188"})
    back = await client.call(ANNA, "PATCH", path, {"phone": PHONE, "name": "Priya"})

    assert (moved.body["opted_out"], back.body["opted_out"]) == (False, True)


async def test_consent_of_a_stranger_is_not_shown(twilio_client: ConversationsClient) -> None:
    client = twilio_client
    await client.say(ANNA, PHONE, "hello")
    await stop(client)
    contact = await contact_of(client)

    assert (await client.call(STRANGER, "GET", f"/contacts/{contact['id']}/consent")).status == 404
    assert (await client.call(STRANGER, "GET", f"/consent/{PHONE}")).body == {"opted_out": False, "history": []}
    assert (await client.call(ANNA, "GET", "/consent/nobody")).status == 422


async def test_a_receipt_that_names_the_opt_out_is_consent_too(twilio_client: ConversationsClient) -> None:
    delivery = await twilio_client.given_delivery()

    form = {"MessageSid": "SM1", "MessageStatus": "failed", "ErrorCode": "21610"}
    assert await twilio_client.webhook(form, f"?delivery={delivery}") == 200

    assert history(await consent(twilio_client)) == [(True, "provider", None)]


async def test_the_previous_release_changes_consent_too(client: ConversationsClient) -> None:
    """It knows the contact's column alone."""
    await client.say(ANNA, PHONE, "hello")

    await client.fetch("update contacts set opted_out = true")

    assert (await consent(client))["opted_out"] is True
    assert history(await consent(client)) == [(True, "unknown", None)]
