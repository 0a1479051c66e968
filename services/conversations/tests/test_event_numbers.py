"""Numbers of a conversation's events: without gaps, in the order of the outbox, whichever action publishes them."""

import asyncio
from collections import defaultdict

from conversations.actions.deliveries import outcome_of, settle_batch
from conversations.store.deliveries import find_deliveries
from switchboard.contracts.envelope import Envelope

from .client import ANNA, BEN, PHONE, ConversationsClient

OTHER = "+14155550111"


async def numbers(client: ConversationsClient) -> dict[str, list[int | None]]:
    """The numbers of each conversation's events, in the order of the outbox."""
    found: dict[str, list[int | None]] = defaultdict(list)
    for row in await client.fetch("select body from outbox where subject like 'conversation/%' order by id"):
        envelope = Envelope.decode(row["body"])
        found[envelope.subject].append(envelope.sequence)
    return found


async def test_every_kind_of_event_takes_the_next_number(client: ConversationsClient) -> None:
    await client.say(ANNA, PHONE, "one")
    rows = await client.fetch("select id from deliveries")
    async with client.database.connection() as conn:
        (delivery,) = await find_deliveries(conn, [rows[0]["id"]])
    for status in ("sent", "delivered"):
        await settle_batch(client.database, [outcome_of(delivery, status, source="conversations")])
    await client.fetch("update conversations set unread = 1")
    await client.call(ANNA, "POST", f"/conversations/{PHONE}/read", {"seq": 1})
    await client.call(ANNA, "DELETE", f"/conversations/{PHONE}")
    await client.say(ANNA, PHONE, "two")

    assert list((await numbers(client)).values()) == [[1, 2, 3, 4, 5, 6]]


async def test_concurrent_actions_number_without_gaps_or_deadlocks(client: ConversationsClient) -> None:
    async def converse(caller: str, phone: str) -> None:
        identity = ANNA if caller == "anna" else BEN
        for n in range(12):
            await client.say(identity, phone, f"message {n}")
            await client.call(identity, "POST", f"/conversations/{phone}/read", {"seq": n})

    async def settle_all() -> None:
        for status in ("sent", "delivered", "read"):
            await asyncio.sleep(0.05)
            rows = await client.fetch("select id from deliveries")
            async with client.database.connection() as conn:
                found = await find_deliveries(conn, [row["id"] for row in rows])
            await settle_batch(client.database, [outcome_of(row, status, source="conversations") for row in found])

    pairs = [(caller, phone) for caller in ("anna", "ben") for phone in (PHONE, OTHER) for _ in range(2)]
    await asyncio.gather(*(converse(*pair) for pair in pairs), settle_all(), settle_all())

    found = await numbers(client)
    assert len(found) == 4
    for of_subject in found.values():
        assert of_subject == list(range(1, len(of_subject) + 1))
        assert len(of_subject) > 24  # two writers of twelve messages, and statuses


async def test_a_write_of_the_previous_release_leaves_a_gap(client: ConversationsClient) -> None:
    await client.fetch(
        "insert into conversations (id, tenant_id, user_id, contact_phone, last_seq)"
        " values (gen_random_uuid(), $1, $2, $3, 1)",
        ANNA.tenant_id,
        ANNA.user_id,
        PHONE,
    )
    await client.fetch("update conversations set last_seq = last_seq + 1")

    await client.say(ANNA, PHONE, "third")

    assert list((await numbers(client)).values()) == [[3]]
