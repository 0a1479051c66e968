"""Campaigns, from the plan to what becomes of it elsewhere."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from switchboard.contracts.conversations import (
    CampaignCompleted,
    CampaignCounts,
    CampaignProgress,
    CampaignStarted,
)

from .world import ANNA, BEN, CHIEF, NOON, STRANGER, World


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


async def given_campaign(world: World, **fields: Any) -> dict[str, Any]:
    answer = await world.call(ANNA, "POST", "/campaigns", plan(**fields))
    assert answer.status == 201, answer.body
    return dict(answer.body)


async def step(world: World, campaign: dict[str, Any], name: str) -> Any:
    return await world.call(ANNA, "POST", f"/campaigns/{campaign['id']}/{name}")


async def status_of(world: World, campaign: dict[str, Any]) -> str:
    return str((await world.call(ANNA, "GET", f"/campaigns/{campaign['id']}")).body["status"])


def counts(**fields: int) -> CampaignCounts:
    return CampaignCounts(total=2, **fields)


async def told(world: World, campaign: dict[str, Any], event: type[Any], sent: int, after: int) -> None:
    fact = event(campaign_id=UUID(campaign["id"]), status="running", counts=counts(sent=sent))
    await world.hear(fact, time=NOON + timedelta(seconds=after))


async def test_a_campaign_runs_once_at_its_time(world: World) -> None:
    campaign = await given_campaign(
        world, not_after=at(hours=3), quiet_hours={"from": "21:00", "to": "08:00"}, rate_per_second=5, time_zone="UTC"
    )

    await world.live_for(days=1)

    [command] = await world.sent("campaign.run")
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
    assert [event.data["status"] for event in await world.sent("campaign.scheduled")] == ["scheduled"]
    assert await status_of(world, campaign) == "running"


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
    ],
)
async def test_a_plan_that_makes_no_sense_is_refused(world: World, fields: dict[str, Any], named: str) -> None:
    answer = await world.call(ANNA, "POST", "/campaigns", plan(**fields))

    assert answer.status == 422
    assert answer.body["errors"][0]["loc"][:2] == ["body", named]
    assert await world.sent() == []


async def test_it_does_not_begin_after_the_time_it_names(world: World) -> None:
    campaign = await given_campaign(world, not_after=at(hours=2))

    await world.sleep_through(hours=3)

    assert await world.sent("campaign.run") == []
    assert await status_of(world, campaign) == "cancelled"
    assert len(await world.sent("campaign.cancelled")) == 1


async def test_one_paused_before_its_time_begins_when_it_is_resumed(world: World) -> None:
    campaign = await given_campaign(world)

    await step(world, campaign, "pause")
    await world.live_for(hours=5)
    assert await world.sent("campaign.run") == []
    assert (await step(world, campaign, "resume")).body["status"] == "scheduled"
    await world.live_for(seconds=1)

    [command] = await world.sent("campaign.run")
    assert command.data["late"] is False
    assert await world.sent("campaign.pause", "campaign.resume") == []  # nobody else knew of it yet


async def test_a_running_one_is_paused_resumed_and_cancelled_by_command(world: World) -> None:
    campaign = await given_campaign(world)
    await world.live_for(hours=2)

    answers = [await step(world, campaign, name) for name in ("pause", "resume", "cancel")]

    assert [each.body["status"] for each in answers] == ["paused", "running", "cancelled"]
    commands = await world.sent("campaign.pause", "campaign.resume", "campaign.cancel")
    revisions = [each.data["revision"] for each in commands]
    assert revisions == sorted(set(revisions))
    assert len({each.id for each in commands}) == 3
    events = await world.sent("campaign.paused", "campaign.resumed", "campaign.cancelled")
    assert [each.data["status"] for each in events] == ["paused", "running", "cancelled"]


async def test_a_step_in_the_wrong_state_is_refused(world: World) -> None:
    campaign = await given_campaign(world)
    assert (await step(world, campaign, "resume")).status == 409
    await step(world, campaign, "cancel")

    refused = [await step(world, campaign, name) for name in ("pause", "resume", "cancel")]

    assert {(each.status, each.body["code"]) for each in refused} == {(409, "invalid_state")}
    await world.live_for(days=1)
    assert await world.sent("campaign.run") == []


async def test_results_settle_it_in_whatever_order_they_come(world: World) -> None:
    campaign = await given_campaign(world)
    await world.live_for(hours=2)

    await told(world, campaign, CampaignCompleted, sent=2, after=30)
    await told(world, campaign, CampaignProgress, sent=1, after=20)
    await told(world, campaign, CampaignStarted, sent=0, after=10)

    shown = (await world.call(ANNA, "GET", f"/campaigns/{campaign['id']}")).body
    assert (shown["status"], shown["counts"]["sent"]) == ("completed", 2)
    assert (await step(world, campaign, "pause")).status == 409


async def test_receipts_after_the_end_still_move_the_counts(world: World) -> None:
    campaign = await given_campaign(world)
    await world.live_for(hours=2)
    await step(world, campaign, "cancel")

    await told(world, campaign, CampaignCompleted, sent=1, after=30)
    await told(world, campaign, CampaignProgress, sent=2, after=40)

    shown = (await world.call(ANNA, "GET", f"/campaigns/{campaign['id']}")).body
    assert (shown["status"], shown["counts"]["sent"]) == ("cancelled", 2)


async def test_all_of_the_tenant_see_it_and_its_maker_and_admins_steer_it(world: World) -> None:
    campaign = await given_campaign(world)
    path = f"/campaigns/{campaign['id']}"

    assert (await world.call(BEN, "GET", path)).status == 200
    assert len((await world.call(BEN, "GET", "/campaigns")).body["items"]) == 1
    assert (await world.call(BEN, "POST", path + "/pause")).status == 403
    assert (await world.call(CHIEF, "POST", path + "/pause")).status == 200
    assert (await world.call(STRANGER, "GET", path)).status == 404
    assert (await world.call(STRANGER, "POST", path + "/cancel")).status == 404
    assert (await world.call(STRANGER, "GET", "/campaigns")).body["items"] == []
