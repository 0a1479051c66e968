"""Deliveries: claims, campaign progress, and resolution by operators."""

import csv
import io
from datetime import timedelta
from pathlib import Path
from typing import Any

from conversations.actions.claiming import claim_due_deliveries
from conversations.actions.uncertain_deliveries import Decision, resolve_delivery
from conversations.domain.statuses import RANKS
from conversations.store import delivery_claims as store
from conversations.store.delivery_claims import Lane, Release, SendAttempt
from conversations.workers.campaign_expander import CampaignExpander
from conversations.workers.campaign_progress import ProgressReporter
from switchboard.contracts.conversation_commands import CampaignCancel, CampaignPause
from switchboard.messaging.outbox.unit_of_work import open_work
from switchboard.testing.app import identity_headers

from .campaigns import CAMPAIGN, campaign
from .client import ANNA, PHONE, TENANT, ConversationsClient

REPOSITORY = Path(__file__).parents[3]
LANE = Lane(TENANT, CAMPAIGN)
LEASE = timedelta(seconds=30)


async def test_a_holder_cannot_send_after_its_delivery_was_claimed_again(client: ConversationsClient) -> None:
    await client.say(ANNA, PHONE, "hello")
    first = (await claim_due_deliveries(client.database, Lane(TENANT), 5, holder="conversations-1/a")).send
    await client.fetch("update deliveries set status = 'pending', holder = null")  # its lease expired
    second = (await claim_due_deliveries(client.database, Lane(TENANT), 5, holder="conversations-1/a")).send

    async with client.database.connection() as conn:
        late = await store.mark_attempting(
            conn, [SendAttempt(row.id, row.holder, "twilio") for row in first], lease=LEASE
        )
        mine = await store.mark_attempting(
            conn, [SendAttempt(row.id, row.holder, "twilio") for row in second], lease=LEASE
        )

    assert late == set()
    assert [row.id for row in second] == [row_id for row_id, _ in mine]


async def test_a_change_between_claim_and_send_prevents_sending(client: ConversationsClient) -> None:
    for change in (
        "update contacts set opted_out = true",
        "update campaign_runs set status = 'paused'",
        "update campaign_runs set status = 'cancelled'",
        "update deliveries set not_after = clock_timestamp() - interval '1 second'",
    ):
        await _given_campaign(client, PHONE)
        (row,) = (await claim_due_deliveries(client.database, LANE, 5, holder="h")).send
        await client.fetch(change)

        async with client.database.connection() as conn:
            marked = await store.mark_attempting(conn, [SendAttempt(row.id, row.holder, "twilio")], lease=LEASE)

        assert marked == set(), change
        await client.fetch("truncate deliveries, campaign_runs, contacts, consents")


async def test_a_skipped_single_message_notifies_its_user(
    client: ConversationsClient,
) -> None:
    await client.say(ANNA, PHONE, "hello")
    await _given_campaign(client, PHONE)
    await client.fetch("update contacts set opted_out = true")

    for lane in (Lane(TENANT), LANE):
        assert (await claim_due_deliveries(client.database, lane, 5, holder="h")).send == []

    notifications = (await client.call(ANNA, "GET", "/notifications")).body["items"]
    assert [(one["title"], one["body"]) for one in notifications] == [
        (f"Message to {PHONE} was not delivered", "the contact wants no messages")
    ]


async def test_progress_is_published_on_changes_at_most_once_a_second(client: ConversationsClient) -> None:
    await _given_campaign(client, "+14155550101", "+14155550102", "+14155550103")

    assert await ProgressReporter(client.database).report_one()
    for _ in range(2):
        await client.fetch(
            "update deliveries set status = 'sent' where id = (select min(id::text)::uuid from deliveries"
            " where status = 'pending')"
        )
        await _report_progress(client)
        await _report_progress(client)  # nothing changed
    await client.fetch("update campaign_runs set progress_at = clock_timestamp()")
    await client.fetch("update deliveries set status = 'sent'")
    assert not await ProgressReporter(client.database).report_one()  # published less than a second ago
    await _report_progress(client)

    events: list[Any] = [event for event in await client.published() if event.type.startswith("campaign.")]
    assert [(event.type, event.counts.sent, event.counts.total) for event in events] == [
        ("campaign.started", 0, 0),
        ("campaign.progress", 0, 3),
        ("campaign.progress", 1, 3),
        ("campaign.progress", 2, 3),
        ("campaign.completed", 3, 3),
    ]


async def test_a_paused_campaign_stays_open_a_cancelled_one_skips_the_rest(
    client: ConversationsClient,
) -> None:
    await _given_campaign(client, "+14155550101", "+14155550102")
    (row,) = (await claim_due_deliveries(client.database, LANE, 1, holder="h")).send
    async with client.database.connection() as conn:
        await store.release(conn, [Release(row.id, row.holder, timedelta(minutes=5), True)])
    await client.deliver(CampaignPause(campaign_id=CAMPAIGN, revision=1))
    await _report_progress(client)
    assert await client.fetch("select distinct status from deliveries") == [{"status": "pending"}]

    await client.deliver(CampaignCancel(campaign_id=CAMPAIGN, revision=2))
    await _report_progress(client)

    assert await client.fetch("select status, reason, count(*) as n from deliveries group by 1, 2") == [
        {"status": "skipped", "reason": "cancelled", "n": 2}
    ]
    assert await client.fetch("select status, error from messages") == [{"status": "failed", "error": "cancelled"}]
    assert await client.published("campaign.completed") == []


async def test_a_resend_reopens_a_completed_campaign_but_not_a_cancelled_one(
    client: ConversationsClient,
) -> None:
    for command, ends_as in ((None, "pending"), (CampaignCancel(campaign_id=CAMPAIGN, revision=1), "skipped")):
        await _given_campaign(client, PHONE)
        await client.fetch("update deliveries set status = 'uncertain'")
        if command is not None:
            await client.deliver(command)
        await _report_progress(client)

        (row,) = await client.fetch("select id from deliveries")
        async with open_work(client.database, tenant_id=None) as work:
            assert await resolve_delivery(work, row["id"], Decision.RESEND)
        await _report_progress(client)

        assert await client.fetch("select status from deliveries") == [{"status": ends_as}]
        await client.fetch("truncate deliveries, campaign_runs")


async def test_a_campaigns_deliveries_are_exported_as_csv(client: ConversationsClient) -> None:
    phones = tuple(f"+1415555{n:04}" for n in range(1, 2501))
    await _given_campaign(client, *phones, chunk=5000)
    await client.fetch(
        "update deliveries set status = 'failed', reason = 'no, \"never\"' where contact_phone = $1", PHONE
    )

    whole = await _csv(client, "")
    failed = await _csv(client, "?status=failed")

    assert sorted(row["contact_phone"] for row in whole) == sorted(phones)
    assert [(row["contact_phone"], row["status"], row["reason"]) for row in failed] == [
        (PHONE, "failed", 'no, "never"')
    ]
    assert list(whole[0]) == [
        "contact_phone", "status", "reason", "sent_at", "settled_at", "attempts", "provider_ref", "message_id",
    ]  # fmt: skip


async def test_docs_database_and_code_agree_on_the_ranks_of_statuses(client: ConversationsClient) -> None:
    by_database = {
        status: (await client.fetch("select status_rank($1) as rank", status))[0]["rank"] for status in RANKS
    }
    text = (REPOSITORY / "docs" / "states-of-communication.md").read_text().partition("Ranks: ")[2].partition(".\n")[0]
    parts = [part.rsplit(" ", 1) for part in " ".join(text.split()).split(" · ")]
    by_document = {name: int(rank) for names, rank in parts for name in names.split(", ")}

    assert by_database == RANKS == by_document


async def _given_campaign(client: ConversationsClient, *phones: str, chunk: int = 300) -> None:
    """Start a campaign and expand its audience. Nothing is sent."""
    await client.deliver(campaign(phones=phones))
    expansion = CampaignExpander(client.database, "US", chunk=chunk)
    while await expansion.expand_one_chunk():
        pass


async def _report_progress(client: ConversationsClient) -> None:
    """Report progress, as if a second had passed."""
    await client.fetch("update campaign_runs set progress_at = clock_timestamp() - interval '2 seconds'")
    await ProgressReporter(client.database).report_one()


async def _csv(client: ConversationsClient, query: str) -> list[dict[str, str]]:
    headers = {**identity_headers(ANNA, "conversations"), "Accept": "text/csv"}
    async with client.http.get(f"/api/v1/campaigns/{CAMPAIGN}/deliveries{query}", headers=headers) as answer:
        assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
        return list(csv.DictReader(io.StringIO((await answer.read()).decode())))
