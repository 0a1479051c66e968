"""Deliveries that the process which stored the message sends at once."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

from conversations.actions.messages import outgoing_message
from conversations.store.message_append import MessageToAppend, append_messages
from conversations.workers.delivery_recovery import DeliveryRecovery
from switchboard.testing import becomes

from .client import ANNA, PHONE, TENANT, ConversationsClient
from .workers import running_workers


async def statuses(client: ConversationsClient) -> list[str]:
    return [row["status"] for row in await client.fetch("select status from deliveries order by seq")]


async def test_a_new_message_is_sent_without_a_claim(client: ConversationsClient, redis_url: str) -> None:
    passed: list[str] = []
    async with running_workers(client, redis_url, checkpoint=passed.append):
        for n in range(5):
            await client.say(ANNA, PHONE, f"hello {n}")
        await becomes(lambda: statuses(client), ["delivered"] * 5)

    assert "before_claim" not in passed
    sent = await client.fetch("select body from sandbox_messages order by body")
    assert [row["body"] for row in sent] == [f"hello {n}" for n in range(5)]
    published = await client.published("message.status_changed")
    assert [(event.seq, event.status) for event in published if event.status == "sent"] == [  # type: ignore[attr-defined]
        (n, "sent") for n in range(1, 6)
    ]


async def test_what_exceeds_the_rate_goes_through_the_lanes(client: ConversationsClient, redis_url: str) -> None:
    async with running_workers(client, redis_url, provider_rate=20):
        await asyncio.gather(*(client.say(ANNA, f"+1415555{n:04}", "hello") for n in range(1, 21)))
        await becomes(lambda: client.fetch("select count(*) as n from sandbox_messages"), [{"n": 20}])
        await becomes(lambda: statuses(client), ["delivered"] * 20)

    assert await client.fetch("select max(attempts) as most from deliveries") == [{"most": 1}]


async def test_an_opted_out_contact_is_not_written_to(client: ConversationsClient, redis_url: str) -> None:
    async with running_workers(client, redis_url):
        await client.say(ANNA, PHONE, "hello")
        await becomes(lambda: statuses(client), ["delivered"])
        await client.fetch("update contacts set opted_out = true")
        await client.say(ANNA, PHONE, "hello again")
        await becomes(lambda: statuses(client), ["delivered", "skipped"])

    assert len(await client.fetch("select from sandbox_messages")) == 1


async def test_a_message_does_not_overtake_an_earlier_one(client: ConversationsClient) -> None:
    await client.say(ANNA, PHONE, "first")  # waits: nobody sends here

    later = outgoing_message(TENANT, ANNA.user_id, "+14155550101", "second", channel="sms")
    async with client.database.connection() as conn:
        (appended,) = await append_messages(conn, "test", [_held(later)])

    assert appended is not None
    assert appended.delivery is None
    assert await statuses(client) == ["pending", "pending"]


async def test_a_held_delivery_of_a_lost_process_is_sent_by_another(
    client: ConversationsClient, redis_url: str
) -> None:
    new = _held(outgoing_message(TENANT, ANNA.user_id, PHONE, "hello", channel="sms"))
    async with client.database.connection() as conn:
        (appended,) = await append_messages(conn, "test", [new])
    assert appended is not None
    assert appended.delivery is not None
    assert await statuses(client) == ["sending"]

    await client.fetch("update deliveries set lease_until = $1", datetime.now(UTC))
    assert await DeliveryRecovery(client.database, client.accounts).recover() == 1
    async with running_workers(client, redis_url):
        await becomes(lambda: statuses(client), ["delivered"])

    assert len(await client.fetch("select from sandbox_messages")) == 1


async def test_nothing_is_held_where_nothing_is_sent(client: ConversationsClient, redis_url: str) -> None:
    async with running_workers(client, redis_url, slots=0):
        await client.say(ANNA, PHONE, "hello")
        await asyncio.sleep(0.2)

    assert await statuses(client) == ["pending"]


def _held(new: MessageToAppend) -> MessageToAppend:
    return replace(new, holder=f"lost/{uuid4().hex[:8]}")
