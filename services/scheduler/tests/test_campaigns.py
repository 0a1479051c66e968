"""Campaigns: planned, controlled, run, and their progress."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from switchboard.contracts.conversations import CampaignCompleted, CampaignCounts, CampaignProgress, CampaignStarted

from .virtual_time import ANNA, BEN, CHIEF, NOON, STRANGER, VirtualScheduler


def at(**later: float) -> str:
    return (NOON + timedelta(**later)).isoformat().replace("+00:00", "Z")


def plan(**fields: Any) -> dict[str, Any]:
    return {
        "name": "Spring",
        "template": "Hello {{name}}, call {{ phone }}",
        "audience": {"phones": ["+1 415 555 0100", "415-555-0101", "(415) 555 0100"]},
        "send_at": at(hours=1),
        **fields,
    }


async def given_campaign(scheduler: VirtualScheduler, **fields: Any) -> dict[str, Any]:
    answer = await scheduler.call(ANNA, "POST", "/campaigns", plan(**fields))
    assert answer.status == 201, answer.body
    return dict(answer.body)


async def step(scheduler: VirtualScheduler, campaign: dict[str, Any], name: str) -> Any:
    return await scheduler.call(ANNA, "POST", f"/campaigns/{campaign['id']}/{name}")


async def status_of(scheduler: VirtualScheduler, campaign: dict[str, Any]) -> str:
    return str((await scheduler.call(ANNA, "GET", f"/campaigns/{campaign['id']}")).body["status"])


def counts(**fields: int) -> CampaignCounts:
    return CampaignCounts(total=2, **fields)


async def receive(
    scheduler: VirtualScheduler, campaign: dict[str, Any], event: type[Any], sent: int, after: int
) -> None:
    fact = event(campaign_id=UUID(campaign["id"]), status="running", counts=counts(sent=sent))
    await scheduler.receive(fact, time=NOON + timedelta(seconds=after))


async def test_a_campaign_runs_once_at_its_time(scheduler: VirtualScheduler) -> None:
    campaign = await given_campaign(
        scheduler,
        not_after=at(hours=3),
        quiet_hours={"from": "21:00", "to": "08:00"},
        rate_per_second=5,
        time_zone="UTC",
    )

    await scheduler.advance(days=1)

    [command] = await scheduler.published("campaign.run")
    assert command.data == {
        "campaign_id": campaign["id"],
        "user_id": str(ANNA.user_id),
        "name": "Spring",
        "channel": None,
        "template": "Hello {{name}}, call {{ phone }}",
        "audience": {"phones": ["+14155550100", "+14155550101"], "tags": None, "all": None},
        "time_zone": "UTC",
        "not_after": at(hours=3),
        "quiet_hours": {"from": "21:00", "to": "08:00"},
        "rate_per_second": 5.0,
        "late": False,
    }
    assert [event.data["status"] for event in await scheduler.published("campaign.scheduled")] == ["scheduled"]
    assert await status_of(scheduler, campaign) == "running"


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"template": "Hello {{nickname}}"}, "template"),
        ({"send_at": at(minutes=-2)}, "send_at"),
        ({"not_after": at(minutes=30)}, "not_after"),
        ({"time_zone": "Nowhere"}, "time_zone"),
        ({"audience": {}}, "audience"),
        ({"audience": {"all": True, "tags": ["vip"]}}, "audience"),
        ({"audience": {"phones": ["+14155550100", "12"]}}, "audience"),
        ({"quiet_hours": {"from": "25:00", "to": "08:00"}}, "quiet_hours"),
        ({"quiet_hours": {"from": "08:00", "to": "08:00"}}, "quiet_hours"),
        ({"rate_per_second": 0}, "rate_per_second"),
        ({"channel": "note"}, "channel"),
        ({"channel": "pigeon"}, "channel"),
    ],
)
async def test_an_invalid_campaign_is_refused(scheduler: VirtualScheduler, fields: dict[str, Any], named: str) -> None:
    answer = await scheduler.call(ANNA, "POST", "/campaigns", plan(**fields))

    assert answer.status == 422
    assert answer.body["errors"][0]["loc"][:2] == ["body", named]
    assert await scheduler.published() == []


async def test_a_campaign_does_not_start_after_not_after(scheduler: VirtualScheduler) -> None:
    campaign = await given_campaign(scheduler, not_after=at(hours=2))

    await scheduler.advance_without_leader(hours=3)

    assert await scheduler.published("campaign.run") == []
    assert await status_of(scheduler, campaign) == "cancelled"
    assert len(await scheduler.published("campaign.cancelled")) == 1


async def test_a_campaign_paused_before_its_time_starts_when_resumed(scheduler: VirtualScheduler) -> None:
    campaign = await given_campaign(scheduler)

    await step(scheduler, campaign, "pause")
    await scheduler.advance(hours=5)
    assert await scheduler.published("campaign.run") == []
    assert (await step(scheduler, campaign, "resume")).body["status"] == "scheduled"
    await scheduler.advance(seconds=1)

    [command] = await scheduler.published("campaign.run")
    assert command.data["late"] is False
    # `conversations` does not run it yet, so it gets no command.
    assert await scheduler.published("campaign.pause", "campaign.resume") == []


async def test_a_running_campaign_is_paused_resumed_and_cancelled_by_command(scheduler: VirtualScheduler) -> None:
    campaign = await given_campaign(scheduler)
    await scheduler.advance(hours=2)

    answers = [await step(scheduler, campaign, name) for name in ("pause", "resume", "cancel")]

    assert [each.body["status"] for each in answers] == ["paused", "running", "cancelled"]
    commands = await scheduler.published("campaign.pause", "campaign.resume", "campaign.cancel")
    revisions = [each.data["revision"] for each in commands]
    assert revisions == sorted(set(revisions))
    assert len({each.id for each in commands}) == 3
    events = await scheduler.published("campaign.paused", "campaign.resumed", "campaign.cancelled")
    assert [each.data["status"] for each in events] == ["paused", "running", "cancelled"]


async def test_a_transition_in_the_wrong_state_is_refused(scheduler: VirtualScheduler) -> None:
    campaign = await given_campaign(scheduler)
    assert (await step(scheduler, campaign, "resume")).status == 409
    await step(scheduler, campaign, "cancel")

    refused = [await step(scheduler, campaign, name) for name in ("pause", "resume", "cancel")]

    assert {(each.status, each.body["code"]) for each in refused} == {(409, "invalid_state")}
    await scheduler.advance(days=1)
    assert await scheduler.published("campaign.run") == []


async def test_the_last_progress_wins_in_any_order_of_arrival(scheduler: VirtualScheduler) -> None:
    campaign = await given_campaign(scheduler)
    await scheduler.advance(hours=2)

    await receive(scheduler, campaign, CampaignCompleted, sent=2, after=30)
    await receive(scheduler, campaign, CampaignProgress, sent=1, after=20)
    await receive(scheduler, campaign, CampaignStarted, sent=0, after=10)

    shown = (await scheduler.call(ANNA, "GET", f"/campaigns/{campaign['id']}")).body
    assert (shown["status"], shown["counts"]["sent"]) == ("completed", 2)
    assert (await step(scheduler, campaign, "pause")).status == 409


async def test_receipts_after_the_end_still_change_the_counts(scheduler: VirtualScheduler) -> None:
    campaign = await given_campaign(scheduler)
    await scheduler.advance(hours=2)
    await step(scheduler, campaign, "cancel")

    await receive(scheduler, campaign, CampaignCompleted, sent=1, after=30)
    await receive(scheduler, campaign, CampaignProgress, sent=2, after=40)

    shown = (await scheduler.call(ANNA, "GET", f"/campaigns/{campaign['id']}")).body
    assert (shown["status"], shown["counts"]["sent"]) == ("cancelled", 2)


async def test_the_tenant_sees_a_campaign_its_creator_and_admins_control_it(scheduler: VirtualScheduler) -> None:
    campaign = await given_campaign(scheduler)
    path = f"/campaigns/{campaign['id']}"

    assert (await scheduler.call(BEN, "GET", path)).status == 200
    assert len((await scheduler.call(BEN, "GET", "/campaigns")).body["items"]) == 1
    assert (await scheduler.call(BEN, "POST", path + "/pause")).status == 403
    assert (await scheduler.call(CHIEF, "POST", path + "/pause")).status == 200
    assert (await scheduler.call(STRANGER, "GET", path)).status == 404
    assert (await scheduler.call(STRANGER, "POST", path + "/cancel")).status == 404
    assert (await scheduler.call(STRANGER, "GET", "/campaigns")).body["items"] == []
