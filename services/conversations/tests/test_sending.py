"""Sending of single messages through the sandbox provider, and recovery of their deliveries."""

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

from prometheus_client import CollectorRegistry

from conversations.actions.uncertain_deliveries import Decision, resolve_delivery
from conversations.adapters.provider_accounts import ProviderAccounts
from conversations.adapters.sending_metrics import ANSWERS, SendingMetrics
from conversations.domain.providers import Outgoing, OutgoingCall, ProviderAccount, WebhookEvent
from conversations.workers.delivery_recovery import DeliveryRecovery
from switchboard.contracts.auth import UserUpdated
from switchboard.contracts.conversation_commands import ReminderFire
from switchboard.messaging.outbox.unit_of_work import open_work
from switchboard.testing import until

from .client import ANNA, NOW, PHONE, STRANGER, TENANT, ConversationsClient
from .workers import running_workers


async def test_a_message_goes_from_queued_to_delivered(client: ConversationsClient, redis_url: str) -> None:
    async with running_workers(client, redis_url):
        message = await client.say(ANNA, PHONE, "hello")
        await until(lambda: _statuses(client, ["delivered"]))

    listed = await client.call(ANNA, "GET", f"/conversations/{PHONE}/messages")
    assert listed.body["items"][0]["status"] == "delivered"
    events: list[Any] = await client.published("message.status_changed")
    assert [(event.status, event.seq, str(event.message_id)) for event in events] == [
        ("sent", 1, message["id"]),
        ("delivered", 1, message["id"]),
    ]
    sent = await client.fetch("select recipient, body from sandbox_messages")
    assert sent == [{"recipient": PHONE, "body": "hello"}]


async def test_a_message_that_cannot_be_sent_fails_with_a_notification(
    client: ConversationsClient, redis_url: str
) -> None:
    async with running_workers(client, redis_url):
        await client.say(ANNA, "+14155550000", "hello")
        await until(lambda: _statuses(client, ["failed"]))
        await until(lambda: client.published("notification.created"))

    (event,) = await client.published("message.status_changed")
    assert event.error == "the sandbox never reaches phones that end in 0000"  # type: ignore[attr-defined]


async def test_calls_to_a_provider_are_counted_by_its_answer(client: ConversationsClient, redis_url: str) -> None:
    registry = CollectorRegistry()

    def counted() -> list[float | None]:
        labels = {"channel": "sms", "provider": "sandbox"}
        return [registry.get_sample_value("provider_sends_total", labels | {"outcome": each}) for each in ANSWERS]

    metrics = SendingMetrics(client.accounts.providers, registry)
    assert counted() == [0, 0, 0, 0]
    async with running_workers(client, redis_url, metrics=metrics):
        await client.say(ANNA, "+14155550000", "hello")
        await until(lambda: _statuses(client, ["failed"]))

    assert counted() == [0, 1, 0, 0]


async def test_an_opted_out_contact_is_skipped_when_its_message_is_claimed(
    client: ConversationsClient, redis_url: str
) -> None:
    await client.say(ANNA, PHONE, "hello")
    await client.fetch("update contacts set opted_out = true")

    async with running_workers(client, redis_url):
        await until(lambda: _statuses(client, ["skipped"]))

    assert await client.fetch("select status, error from messages") == [{"status": "failed", "error": "opted_out"}]
    assert await client.fetch("select from sandbox_messages") == []


async def test_a_reminder_is_sent_to_the_users_own_phone_too(client: ConversationsClient, redis_url: str) -> None:
    await client.given_users()
    await client.deliver(
        UserUpdated(
            user_id=ANNA.user_id,
            email="a@x.example",
            name="A",
            role="agent",
            disabled=False,
            notify_phone="+14155550177",
        )
    )

    async with running_workers(client, redis_url):
        await client.deliver(
            ReminderFire(reminder_id=uuid4(), user_id=ANNA.user_id, lead_id="L1", note="Call back", remind_at=NOW)
        )
        await until(lambda: client.fetch("select from sandbox_messages"))

    sent = await client.fetch("select recipient, body from sandbox_messages")
    assert sent == [{"recipient": "+14155550177", "body": "Reminder: L1: Call back"}]


async def test_deliveries_of_a_dead_process_are_queued_again_or_uncertain(client: ConversationsClient) -> None:
    for n in range(4):
        await client.say(ANNA, f"+1415555010{n}", "hello")
    await client.fetch(
        "update deliveries set status = 'sending', holder = 'dead', lease_until = clock_timestamp() - interval '1s'"
    )
    await client.fetch(
        "update deliveries set attempting_at = clock_timestamp(), provider = 'twilio' where contact_phone like '%101'"
    )
    await client.fetch(
        "update deliveries set attempting_at = clock_timestamp(), provider = 'sandbox' where contact_phone like '%102'"
    )
    await client.fetch("update deliveries set lease_until = 'infinity' where contact_phone like '%103'")

    await DeliveryRecovery(client.database, client.accounts).recover()

    rows = await client.fetch("select right(contact_phone, 1) as n, status from deliveries order by 1")
    assert [tuple(row.values()) for row in rows] == [
        ("0", "pending"),
        ("1", "uncertain"),
        ("2", "pending"),
        ("3", "sending"),
    ]
    (event,) = await client.published("message.status_changed")
    assert event.status == "uncertain"  # type: ignore[attr-defined]


async def test_an_operator_resolves_an_uncertain_delivery_once(client: ConversationsClient) -> None:
    await client.say(ANNA, PHONE, "hello")
    await client.fetch("update deliveries set status = 'uncertain'")
    (row,) = await client.fetch("select id from deliveries")

    async with open_work(client.database, tenant_id=None) as work:
        first = await resolve_delivery(work, row["id"], Decision.SENT)
        again = await resolve_delivery(work, row["id"], Decision.RESEND)

    assert (first, again) == (True, False)
    assert await client.fetch("select status from messages") == [{"status": "sent"}]


async def test_a_provider_that_hangs_for_one_tenant_does_not_delay_others(
    client: ConversationsClient, redis_url: str
) -> None:
    hanging = Hanging(TENANT)
    client.accounts = ProviderAccounts({"hanging": hanging}, ProviderAccount("hanging", "+15005550006", "default"))
    for n in range(1, 101):
        await client.say(ANNA, f"+1415555{n:04}", "hello")

    async with running_workers(client, redis_url, slots=16):
        await until(lambda: len(hanging.waiting) == 12)
        await client.say(STRANGER, PHONE, "urgent")
        await until(lambda: client.fetch("select from deliveries where status = 'sent'"))
        assert len(hanging.waiting) == 12
        hanging.answers.set()
        await until(lambda: _sent_in_all(client, 101), within=30)


class Hanging:
    """A provider that does not answer one tenant's sends until `answers` is set."""

    name = "hanging"
    idempotent = True
    carries_attachments = True

    def __init__(self, tenant_id: UUID) -> None:
        self.waiting: set[UUID] = set()
        self.answers = asyncio.Event()
        self._tenant_id = tenant_id

    async def send(self, _account: ProviderAccount, message: Outgoing) -> str | None:
        if message.tenant_id == self._tenant_id:
            self.waiting.add(message.id)
            await self.answers.wait()
        return message.id.hex

    async def call(self, _account: ProviderAccount, _call: OutgoingCall) -> str | None:
        raise NotImplementedError

    def read_webhook(
        self, _account: ProviderAccount, _target: str, _headers: Mapping[str, str], _body: bytes
    ) -> WebhookEvent | None:
        raise NotImplementedError


async def _sent_in_all(client: ConversationsClient, n: int) -> bool:
    return len(await client.fetch("select from deliveries where status = 'sent'")) == n


async def _statuses(client: ConversationsClient, expected: list[str]) -> bool:
    return [row["status"] for row in await client.fetch("select status from deliveries order by id")] == expected
