"""Sending of campaigns through the sandbox provider."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from switchboard.contracts.conversation_commands import CampaignCancel, CampaignPause, CampaignResume, QuietHours
from switchboard.testing import until

from .campaigns import CAMPAIGN, campaign
from .client import ANNA, PHONE, STRANGER, ConversationsClient
from .workers import running_workers


async def test_a_campaign_reaches_each_phone_once_and_completes(client: ConversationsClient, redis_url: str) -> None:
    await client.given_users()
    phones = [f"+1415555{n:04}" for n in range(1, 1001)]
    await client.call(ANNA, "POST", "/contacts", {"phone": phones[7], "name": "Priya {{phone}}"})
    await client.call(ANNA, "POST", "/contacts", {"phone": phones[8], "opted_out": True})

    async with running_workers(client, redis_url):
        await client.deliver(campaign(phones=(*phones, *phones[:50], "nonsense", "+14155560000")))
        completed = await until(lambda: client.published("campaign.completed"), within=30)

    by_status = await client.fetch("select status, reason, count(*) as n from deliveries group by 1, 2 order by 1, 2")
    assert {
        (row["status"], row["reason"]): row["n"] for row in by_status if row["status"] not in ("sent", "delivered")
    } == {
        ("failed", "the sandbox never reaches phones that end in 0000"): 1,
        ("skipped", "not a phone number"): 1,
        ("skipped", "opted_out"): 1,
    }
    counts = completed[0].counts  # type: ignore[attr-defined]
    assert (counts.total, counts.sent + counts.delivered, counts.failed, counts.skipped) == (1002, 999, 1, 2)
    assert await client.texts(ANNA, phones[7]) == [(1, f"Hello Priya {{{{phone}}}}, {phones[7]}")]
    assert await client.texts(ANNA, phones[8]) == []
    once = await client.fetch("select count(*) as n, count(distinct recipient) as phones from sandbox_messages")
    assert once == [{"n": 999, "phones": 999}]
    (notified,) = await client.published("notification.created")
    assert notified.kind == "campaign"  # type: ignore[attr-defined]


async def test_a_paused_campaign_stops_and_resumes_where_it_was(client: ConversationsClient, redis_url: str) -> None:
    phones = [f"+1415555{n:04}" for n in range(1, 1001)]
    async with running_workers(client, redis_url, provider_rate=200):
        await client.deliver(campaign(phones=tuple(phones)))
        await until(lambda: _sent_at_least(client, 50))
        await client.deliver(CampaignPause(campaign_id=CAMPAIGN, revision=1))
        await until(lambda: _none_attempted(client))
        paused = await _count_sent(client)
        await asyncio.sleep(1.0)  # during which an unpaused campaign would send more
        assert await _count_sent(client) == paused < 1000

    async with running_workers(client, redis_url):
        await client.deliver(CampaignResume(campaign_id=CAMPAIGN, revision=2))
        await until(lambda: client.published("campaign.completed"), within=20)

    once = await client.fetch("select count(*) as n, count(distinct recipient) as phones from sandbox_messages")
    assert once == [{"n": 1000, "phones": 1000}]


async def test_a_cancelled_campaign_has_an_outcome_for_every_recipient(
    client: ConversationsClient, redis_url: str
) -> None:
    phones = [f"+1415555{n:04}" for n in range(1, 401)]
    async with running_workers(client, redis_url, provider_rate=100):
        await client.deliver(campaign(phones=tuple(phones)))
        await until(lambda: _sent_at_least(client, 20))
        await client.deliver(CampaignCancel(campaign_id=CAMPAIGN, revision=1))
        await until(lambda: _all_settled(client, 400))

    async def counted() -> bool:
        events: list[Any] = await client.published("campaign.progress")
        return bool(sum(events[-1].counts.model_dump(exclude={"total"}).values()) == 400)

    skipped = await client.fetch("select distinct reason from deliveries where status = 'skipped'")
    assert skipped == [{"reason": "cancelled"}]
    async with running_workers(client, redis_url):
        await until(counted)


async def test_late_recipients_are_skipped_and_quiet_hours_postpone(
    client: ConversationsClient, redis_url: str
) -> None:
    clock = datetime.now(UTC).astimezone()
    quiet = QuietHours(**{"from": "00:00", "to": "23:59"})
    async with running_workers(client, redis_url):
        await client.deliver(campaign(phones=(PHONE,), not_after=clock - timedelta(seconds=1)))
        await until(lambda: _statuses(client, ["skipped"]))
        await client.deliver(campaign(phones=(PHONE,), id_=UUID(int=901), quiet_hours=quiet))
        await until(
            lambda: client.fetch(
                "select from deliveries where campaign_id = $1 and due_at > clock_timestamp() + interval '5 seconds'"
                " or status in ('sent', 'delivered')",
                UUID(int=901),
            )
        )

    late = await client.fetch("select reason from deliveries where status = 'skipped'")
    assert late == [{"reason": "too_late"}]


async def test_an_audience_is_expanded_by_tags_or_to_all_contacts(client: ConversationsClient, redis_url: str) -> None:
    for n, tags in enumerate([["a"], ["a", "b"], ["c"]]):
        await client.call(ANNA, "POST", "/contacts", {"phone": f"+1415555010{n}", "tags": tags})
    await client.call(STRANGER, "POST", "/contacts", {"phone": "+14155550109", "tags": ["a"]})

    async with running_workers(client, redis_url):
        await client.deliver(campaign(tags=("a", "b")))
        await client.deliver(campaign(all=True, id_=UUID(int=901)))
        await until(lambda: _expanded(client, 2))

    rows = await client.fetch("select campaign_id, count(*) as n from deliveries group by 1 order by 1")
    assert [row["n"] for row in rows] == [2, 3]


async def test_a_campaigns_deliveries_are_listed_for_its_tenant(client: ConversationsClient, redis_url: str) -> None:
    async with running_workers(client, redis_url):
        await client.deliver(campaign(phones=("+14155550101", "+14155550000")))
        await until(lambda: client.published("campaign.completed"), within=10)

    path = f"/campaigns/{CAMPAIGN}/deliveries"
    failed = await client.call(ANNA, "GET", f"{path}?status=failed")
    assert [(row["contact_phone"], row["reason"][:11]) for row in failed.body["items"]] == [
        ("+14155550000", "the sandbox")
    ]
    assert len((await client.call(ANNA, "GET", path)).body["items"]) == 2
    unknown = await client.call(STRANGER, "GET", path)
    assert (unknown.status, unknown.body["detail"]) == (404, "This campaign is unknown, or has not started yet.")


async def test_a_single_message_does_not_wait_for_another_tenants_campaign(
    client: ConversationsClient, redis_url: str
) -> None:
    async with running_workers(client, redis_url, provider_rate=200, tenant_rate=200):
        await client.deliver(campaign(phones=tuple(f"+1415555{n:04}" for n in range(1, 5001))))
        await until(lambda: _sent_at_least(client, 100))

        before = await _count_sent(client)
        await client.say(STRANGER, "+442071838750", "urgent")
        await until(lambda: client.fetch("select from sandbox_messages where recipient = '+442071838750'"))

        assert await _count_sent(client) - before < 1000  # of the thousands queued before it


async def _statuses(client: ConversationsClient, expected: list[str]) -> bool:
    return [row["status"] for row in await client.fetch("select status from deliveries order by id")] == expected


async def _count_sent(client: ConversationsClient) -> int:
    (row,) = await client.fetch("select count(*) as n from sandbox_messages")
    return int(row["n"])


async def _none_attempted(client: ConversationsClient) -> bool:
    """No delivery is being sent."""
    rows = await client.fetch("select from deliveries where status = 'sending' and attempting_at is not null")
    return rows == []


async def _sent_at_least(client: ConversationsClient, n: int) -> bool:
    return await _count_sent(client) >= n


async def _all_settled(client: ConversationsClient, n: int) -> bool:
    rows = await client.fetch("select count(*) as n from deliveries where status not in ('pending', 'sending')")
    return rows == [{"n": n}]


async def _expanded(client: ConversationsClient, n: int) -> bool:
    return len(await client.fetch("select from campaign_runs where expanded")) == n


async def test_an_empty_or_too_long_text_is_skipped(client: ConversationsClient, redis_url: str) -> None:
    await client.call(ANNA, "POST", "/contacts", {"phone": PHONE, "name": "x" * 200})
    await client.call(ANNA, "POST", "/contacts", {"phone": "+14155550109"})

    async with running_workers(client, redis_url):
        await client.deliver(campaign(phones=(PHONE, "+14155550109"), template="{{name}}" * 9))
        await until(lambda: _statuses(client, ["skipped", "skipped"]))

    reasons = await client.fetch("select contact_phone, reason from deliveries order by contact_phone")
    assert [(row["contact_phone"], row["reason"]) for row in reasons] == [
        (PHONE, "too_long"),
        ("+14155550109", "empty"),
    ]
    assert await client.fetch("select from messages") == []
