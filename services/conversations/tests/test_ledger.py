"""The ledger's own rules: who may send a row, what is told of a campaign, what an operator may still decide."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from pathlib import Path
from typing import Any

from conversations.actions import claiming
from conversations.actions.uncertain_deliveries import Decision, resolve_delivery
from conversations.domain.statuses import RANKS
from conversations.store import deliveries as store
from conversations.store.deliveries import Lane
from conversations.workers.campaign_expander import Expansion
from conversations.workers.campaign_progress import look_at_one
from switchboard.contracts.conversations import CampaignCancel, CampaignPause
from switchboard.messaging.outbox.unit_of_work import open_work
from switchboard.testing.app import identity_headers

from .campaigns import CAMPAIGN, campaign
from .world import ANNA, PHONE, TENANT, World

REPOSITORY = Path(__file__).parents[3]
LANE = Lane(TENANT, CAMPAIGN)
LEASE = timedelta(seconds=30)


async def test_a_row_that_was_claimed_anew_is_not_sent_by_whoever_held_it_before(world: World) -> None:
    await world.say(ANNA, PHONE, "hello")
    first = (await claiming.take(world.database, Lane(TENANT), 5, holder="conversations-1/a")).send
    await world.fetch("update deliveries set status = 'pending', holder = null")  # its lease ran out while it hung
    second = (await claiming.take(world.database, Lane(TENANT), 5, holder="conversations-1/a")).send

    async with world.database.connection() as conn:
        late = await store.mark_attempting(conn, [(row.id, row.holder, "twilio") for row in first], lease=LEASE)
        mine = await store.mark_attempting(conn, [(row.id, row.holder, "twilio") for row in second], lease=LEASE)

    assert late == set()
    assert [row.id for row in second] == [row_id for row_id, _ in mine]


async def test_what_changed_between_claim_and_call_counts(world: World) -> None:
    for change in (
        "update contacts set opted_out = true",
        "update campaign_runs set status = 'paused'",
        "update campaign_runs set status = 'cancelled'",
        "update deliveries set not_after = clock_timestamp() - interval '1 second'",
    ):
        await _given_campaign(world, PHONE)
        (row,) = (await claiming.take(world.database, LANE, 5, holder="h")).send
        await world.fetch(change)

        async with world.database.connection() as conn:
            marked = await store.mark_attempting(conn, [(row.id, row.holder, "twilio")], lease=LEASE)

        assert marked == set(), change
        await world.fetch("truncate deliveries, campaign_runs, contacts")


async def test_a_single_message_that_is_skipped_is_told_to_its_user_and_a_campaigns_is_not(world: World) -> None:
    await world.say(ANNA, PHONE, "hello")
    await _given_campaign(world, PHONE)
    await world.fetch("update contacts set opted_out = true")

    for lane in (Lane(TENANT), LANE):
        assert (await claiming.take(world.database, lane, 5, holder="h")).send == []

    told = (await world.call(ANNA, "GET", "/notifications")).body["items"]
    assert [(one["title"], one["body"]) for one in told] == [
        (f"Message to {PHONE} was not delivered", "the contact wants no messages")
    ]


async def test_progress_is_told_when_counts_changed_and_once_a_second_at_most(world: World) -> None:
    await _given_campaign(world, "+14155550101", "+14155550102", "+14155550103")

    assert await look_at_one(world.database)
    for _ in range(2):
        await world.fetch(
            "update deliveries set status = 'sent' where id = (select min(id::text)::uuid from deliveries"
            " where status = 'pending')"
        )
        await _look(world)
        await _look(world)  # nothing changed
    await world.fetch("update campaign_runs set progress_at = clock_timestamp()")
    await world.fetch("update deliveries set status = 'sent'")
    assert not await look_at_one(world.database)  # told less than a second ago
    await _look(world)

    told: list[Any] = [event for event in await world.published() if event.type.startswith("campaign.")]
    assert [(event.type, event.counts.sent, event.counts.total) for event in told] == [
        ("campaign.started", 0, 0),
        ("campaign.progress", 0, 3),
        ("campaign.progress", 1, 3),
        ("campaign.progress", 2, 3),
        ("campaign.completed", 3, 3),
    ]


async def test_a_paused_campaign_is_not_complete_and_a_cancelled_one_skips_the_rest(world: World) -> None:
    await _given_campaign(world, "+14155550101", "+14155550102")
    (row,) = (await claiming.take(world.database, LANE, 1, holder="h")).send
    async with world.database.connection() as conn:
        await store.release(conn, [(row.id, row.holder, timedelta(minutes=5), True)])
    await world.deliver(CampaignPause(campaign_id=CAMPAIGN, revision=1))
    await _look(world)
    assert await world.fetch("select distinct status from deliveries") == [{"status": "pending"}]

    await world.deliver(CampaignCancel(campaign_id=CAMPAIGN, revision=2))
    await _look(world)

    assert await world.fetch("select status, reason, count(*) as n from deliveries group by 1, 2") == [
        {"status": "skipped", "reason": "cancelled", "n": 2}
    ]
    assert await world.fetch("select status, error from messages") == [{"status": "failed", "error": "cancelled"}]
    assert await world.published("campaign.completed") == []


async def test_what_an_operator_sends_again_reopens_a_completed_campaign_and_no_cancelled_one(world: World) -> None:
    for command, ends_as in ((None, "pending"), (CampaignCancel(campaign_id=CAMPAIGN, revision=1), "skipped")):
        await _given_campaign(world, PHONE)
        await world.fetch("update deliveries set status = 'uncertain'")
        if command is not None:
            await world.deliver(command)
        await _look(world)

        (row,) = await world.fetch("select id from deliveries")
        async with open_work(world.database, tenant_id=None) as work:
            assert await resolve_delivery(work, row["id"], Decision.RESEND)
        await _look(world)

        assert await world.fetch("select status from deliveries") == [{"status": ends_as}]
        await world.fetch("truncate deliveries, campaign_runs")


async def test_all_of_a_campaigns_recipients_are_a_csv_file(world: World) -> None:
    phones = tuple(f"+1415555{n:04}" for n in range(1, 2501))
    await _given_campaign(world, *phones, chunk=5000)
    await world.fetch(
        "update deliveries set status = 'failed', reason = 'no, \"never\"' where contact_phone = $1", PHONE
    )

    whole = await _csv(world, "")
    failed = await _csv(world, "?status=failed")

    assert sorted(row["contact_phone"] for row in whole) == sorted(phones)
    assert [(row["contact_phone"], row["status"], row["reason"]) for row in failed] == [
        (PHONE, "failed", 'no, "never"')
    ]
    assert list(whole[0]) == [
        "contact_phone", "status", "reason", "sent_at", "settled_at", "attempts", "provider_ref", "message_id",
    ]  # fmt: skip


async def test_documents_database_and_code_agree_on_what_is_news(world: World) -> None:
    by_database = {status: (await world.fetch("select status_rank($1) as rank", status))[0]["rank"] for status in RANKS}
    text = (REPOSITORY / "docs" / "states-of-communication.md").read_text().partition("Ranks: ")[2].partition(".\n")[0]
    parts = [part.rsplit(" ", 1) for part in " ".join(text.split()).split(" · ")]
    by_document = {name: int(rank) for names, rank in parts for name in names.split(", ")}

    assert by_database == RANKS == by_document


async def _given_campaign(world: World, *phones: str, chunk: int = 300) -> None:
    """Its audience is expanded; nobody sends."""
    await world.deliver(campaign(phones=phones))
    expansion = Expansion(world.database, "US", chunk=chunk)
    while await expansion.expand_one_chunk():
        pass


async def _look(world: World) -> None:
    """A second later."""
    await world.fetch("update campaign_runs set progress_at = clock_timestamp() - interval '2 seconds'")
    await look_at_one(world.database)


async def _csv(world: World, query: str) -> list[dict[str, str]]:
    headers = {**identity_headers(ANNA, "conversations"), "Accept": "text/csv"}
    async with world.client.get(f"/api/v1/campaigns/{CAMPAIGN}/deliveries{query}", headers=headers) as answer:
        assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
        return list(csv.DictReader(io.StringIO((await answer.read()).decode())))
