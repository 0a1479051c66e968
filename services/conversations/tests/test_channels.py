"""Channels of tenants, and what their webhooks may do."""

import hashlib
import hmac

import pytest

from .client import ANNA, BEN, OLGA, PHONE, PUBLIC_URL, STRANGER, ConversationsClient


async def test_a_sandbox_webhook_is_signed_with_the_channels_own_secret(twilio_client: ConversationsClient) -> None:
    body = {"provider": "sandbox", "number": "+15005550007", "credentials": {"secret": "shh"}}
    channel = (await twilio_client.call(BEN, "POST", "/channels", body)).body
    said = b'{"id": "1", "from": "+14155550100", "to": "+15005550007", "body": "hi"}'
    answers = []
    for secret in ("other", "shh", "shh"):
        signed = hmac.new(secret.encode(), said, hashlib.sha256).hexdigest()
        path = f"/api/v1/webhooks/sandbox/{channel['endpoint_key']}"
        async with twilio_client.http.post(path, data=said, headers={"X-Sandbox-Signature": signed}) as answer:
            answers.append(answer.status)

    assert answers == [403, 200, 200]
    assert await twilio_client.texts(OLGA, PHONE) == [(1, "hi")]


async def test_a_tenants_channel_cannot_settle_another_tenants_messages(twilio_client: ConversationsClient) -> None:
    delivery = await twilio_client.given_delivery()
    body = {
        "provider": "twilio",
        "number": "+15005550009",
        "credentials": {"account_sid": "AC9", "auth_token": "token"},
    }
    foreign = (await twilio_client.call(STRANGER, "POST", "/channels", body)).body

    path = f"/api/v1/webhooks/twilio/{foreign['endpoint_key']}"
    form = {"MessageSid": "SM1", "MessageStatus": "failed"}
    assert await twilio_client.webhook(form, f"?delivery={delivery}", path=path) == 200

    assert await twilio_client.fetch("select status from deliveries") == [{"status": "pending"}]


async def test_channels_are_for_admins_and_never_show_credentials(twilio_client: ConversationsClient) -> None:
    channel = await twilio_client.given_channel()

    listed = await twilio_client.call(BEN, "GET", "/channels")

    assert "credentials" not in channel
    assert [item["id"] for item in listed.body["items"]] == [channel["id"]]
    assert channel["webhook"] == f"{PUBLIC_URL}/api/v1/webhooks/twilio/{channel['endpoint_key']}"
    assert (await twilio_client.call(ANNA, "GET", "/channels")).status == 403
    assert (await twilio_client.call(STRANGER, "DELETE", f"/channels/{channel['id']}")).status == 404
    assert (await twilio_client.call(BEN, "DELETE", f"/channels/{channel['id']}")).status == 204


@pytest.mark.parametrize(
    "number",
    ["MG" + "0a" * 16, "68849", "ACME", "My Bank 1"],
)
async def test_a_channel_may_be_what_the_provider_takes(twilio_client: ConversationsClient, number: str) -> None:
    body = {"provider": "twilio", "number": number, "credentials": {"account_sid": "AC8", "auth_token": "token"}}

    made = await twilio_client.call(BEN, "POST", "/channels", body)

    assert (made.status, made.body["number"]) == (201, number)


@pytest.mark.parametrize("number", ["a name that is too long", "000-000-0000", "!"])
async def test_a_channel_that_cannot_send_is_refused(twilio_client: ConversationsClient, number: str) -> None:
    body = {"provider": "twilio", "number": number, "credentials": {"account_sid": "AC8", "auth_token": "token"}}

    made = await twilio_client.call(BEN, "POST", "/channels", body)

    assert (made.status, made.body["errors"][0]["loc"]) == (422, ["body", "number"])
