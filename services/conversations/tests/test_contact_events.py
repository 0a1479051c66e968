"""The events of contacts: each change is heard by everybody of the tenant, a bulk change as one event."""

from typing import Any

from conversations.workers.campaign_expander import CampaignExpander
from switchboard.contracts.conversations import ContactCreated, ContactDeleted, ContactImported, ContactUpdated
from switchboard.contracts.envelope import Envelope
from switchboard.messaging.broker.routing import routing_key

from .campaigns import CAMPAIGN, campaign
from .client import ANNA, BEN, PHONE, TENANT, TWILIO, ConversationsClient
from .test_import_limits import upload


async def contact_events(client: ConversationsClient) -> list[Any]:
    kinds = (ContactCreated, ContactUpdated, ContactDeleted, ContactImported)
    return [event for event in await client.published() if isinstance(event, kinds)]


async def test_each_change_of_a_contact_is_an_event_with_its_state(client: ConversationsClient) -> None:
    body = {"phone": "(415) 555-0100", "name": "Priya", "tags": ["buyer"]}
    contact = (await client.call(ANNA, "POST", "/contacts", body)).body
    path = f"/contacts/{contact['id']}"
    await client.call(ANNA, "PATCH", path, {"name": "Priya K", "opted_out": True})
    await client.call(BEN, "DELETE", path)

    created, updated, deleted = await contact_events(client)

    assert created.model_dump(mode="json") == {**without_id(contact), "contact_id": contact["id"]}
    assert (updated.name, updated.opted_out, updated.tags) == ("Priya K", True, ("buyer",))
    assert (str(deleted.contact_id), deleted.phone) == (contact["id"], PHONE)


async def test_a_refused_change_is_no_event(client: ConversationsClient) -> None:
    await client.call(ANNA, "POST", "/contacts", {"phone": PHONE})
    again = await client.call(ANNA, "POST", "/contacts", {"phone": PHONE})
    gone = await client.call(ANNA, "DELETE", f"/contacts/{ANNA.user_id}")

    assert (again.status, gone.status) == (409, 404)
    assert len(await contact_events(client)) == 1


async def test_an_import_is_one_event_with_counts(client: ConversationsClient) -> None:
    await client.call(ANNA, "POST", "/contacts", {"phone": PHONE, "name": "Old"})
    lines = b"phone,name\n" + b"".join(b"+1415555%04d,N\n" % n for n in range(100, 1300)) + b"x,\n"

    _, report = await upload(client, lines)
    await upload(client, lines)

    _, imported = await contact_events(client)
    assert (str(imported.import_id), imported.created, imported.updated) == (report["id"], 1199, 1)


async def test_the_first_message_to_a_number_adds_its_contact(client: ConversationsClient) -> None:
    await client.say(ANNA, PHONE, "hello")
    await client.say(BEN, PHONE, "hello")
    shown = (await client.call(ANNA, "GET", "/contacts")).body["items"]

    (created,) = await contact_events(client)
    (row,) = await client.fetch("select routing_key, subject, body from outbox where type = 'contact.created'")
    envelope = Envelope.decode(row["body"])

    assert created.model_dump(mode="json") == {**without_id(shown[0]), "contact_id": shown[0]["id"]}
    assert (row["routing_key"], row["subject"]) == (routing_key(created, TENANT), created.subject)
    assert (envelope.subject, envelope.source, envelope.tenant_id) == (created.subject, "conversations", TENANT)
    assert envelope.traceparent is not None


async def test_a_stop_of_an_unknown_number_adds_and_updates_its_contact(client: ConversationsClient) -> None:
    await client.given_users()
    form = {"MessageSid": "SM1", "From": PHONE, "To": TWILIO.number, "Body": "STOP"}
    channel = await client.given_channel()
    path = f"/api/v1/webhooks/twilio/{channel['endpoint_key']}"

    status = await client.webhook(form, path=path)

    assert status == 200
    created, updated = await contact_events(client)
    assert (created.phone, created.opted_out) == (PHONE, False)
    assert (updated.contact_id, updated.opted_out) == (created.contact_id, True)


async def test_a_campaigns_new_numbers_are_one_event(client: ConversationsClient) -> None:
    await client.given_users()
    await client.deliver(campaign(phones=("+14155550100", "+14155550101", "+14155550102")))

    await CampaignExpander(client.database, "US").expand_one_chunk()

    (imported,) = await contact_events(client)
    assert (imported.campaign_id, imported.created, imported.import_id) == (CAMPAIGN, 3, None)


def without_id(contact: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in contact.items() if name != "id"}
