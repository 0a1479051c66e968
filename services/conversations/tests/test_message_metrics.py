"""Metrics of messages: what this instance appended, and what waits in the database."""

from datetime import timedelta
from uuid import uuid4

from prometheus_client import CollectorRegistry, generate_latest

from conversations.adapters.message_metrics import LARGEST_TENANTS, AppendedMessages, BacklogGauges
from conversations.store.delivery_backlog import DeliveryBacklog, find_backlog

from .client import ANNA, PHONE, ConversationsClient

NOTHING = DeliveryBacklog(timedelta(), waiting=0, uncertain=0, campaigns=0, recipients=0, settled=0)


async def backlog_of(client: ConversationsClient) -> DeliveryBacklog:
    async with client.database.connection() as conn:
        return await find_backlog(conn)


async def test_nothing_waits_at_first(client: ConversationsClient) -> None:
    assert await backlog_of(client) == NOTHING


async def test_the_oldest_message_that_waits_is_measured(client: ConversationsClient) -> None:
    for body in ("first", "second", "third"):
        await client.say(ANNA, PHONE, body)
    await client.fetch(
        "update deliveries set due_at = clock_timestamp() + interval '1 hour' * (case body when 'first' then -1 "
        "when 'second' then 1 else 0 end)"
    )

    waiting = await backlog_of(client)

    assert waiting.waiting == 2  # the second is due in an hour
    assert timedelta(hours=1) <= waiting.oldest < timedelta(hours=1, minutes=5)


async def test_uncertain_deliveries_are_counted(client: ConversationsClient) -> None:
    await client.say(ANNA, PHONE, "hello")
    await client.fetch("update deliveries set status = 'uncertain'")

    assert (await backlog_of(client)).uncertain == 1


async def test_messages_are_counted_by_channel_and_direction(client: ConversationsClient) -> None:
    registry = CollectorRegistry()
    client.database.on_published(AppendedMessages(registry).count)

    await client.say(ANNA, PHONE, "hello")
    note = {"body": "call back", "channel": "note"}
    await client.call(ANNA, "POST", f"/conversations/{PHONE}/messages", note)

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, labels)

    assert value("conversation_messages_total", channel="sms", direction="out") == 1
    assert value("conversation_messages_total", channel="note", direction="out") == 1
    assert value("conversation_messages_total", channel="sms", direction="in") == 0
    assert value("conversation_messages_of_tenant_total", tenant_id=str(ANNA.tenant_id)) == 2


def test_only_the_largest_tenants_have_a_series() -> None:
    registry = CollectorRegistry()
    appended = AppendedMessages(registry)
    for count in range(1, 31):
        appended._tenants[uuid4()] = count

    shown = [line for line in generate_latest(registry).decode().splitlines() if "_of_tenant_total{" in line]

    assert sorted(float(line.split()[-1]) for line in shown) == list(range(31 - LARGEST_TENANTS, 31))


def test_the_gauges_show_the_backlog() -> None:
    registry = CollectorRegistry()

    BacklogGauges(registry).show(DeliveryBacklog(timedelta(minutes=1), 2, 3, campaigns=1, recipients=500, settled=120))

    assert registry.get_sample_value("deliveries_oldest_seconds") == 60
    assert registry.get_sample_value("campaign_recipients", {"state": "waiting"}) == 380
