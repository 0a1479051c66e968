"""What is queued gets out, once, through the sandbox."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from conversations.actions.uncertain_deliveries import Decision, resolve_delivery
from conversations.adapters.provider_accounts import Accounts
from conversations.domain.providers import Account, Outgoing, OutgoingCall
from conversations.workers.stale_deliveries import recover
from switchboard.contracts.auth import UserUpdated
from switchboard.contracts.conversations import (
    CampaignCancel,
    CampaignPause,
    CampaignResume,
    QuietHours,
    ReminderFire,
)
from switchboard.messaging.outbox.unit_of_work import open_work
from switchboard.testing import until

from .campaigns import CAMPAIGN, campaign
from .senders import sending
from .world import ANNA, NOW, PHONE, STRANGER, TENANT, World


async def test_a_message_goes_from_queued_to_delivered(world: World, redis_url: str) -> None:
    async with sending(world, redis_url):
        message = await world.say(ANNA, PHONE, "hello")
        await until(lambda: _statuses(world, ["delivered"]))

    listed = await world.call(ANNA, "GET", f"/conversations/{PHONE}/messages")
    assert listed.body["items"][0]["status"] == "delivered"
    told: list[Any] = await world.published("message.status_changed")
    assert [(event.status, event.seq, str(event.message_id)) for event in told] == [
        ("sent", 1, message["id"]),
        ("delivered", 1, message["id"]),
    ]
    sent = await world.fetch("select recipient, body from sandbox_messages")
    assert sent == [{"recipient": PHONE, "body": "hello"}]


async def test_a_message_that_cannot_be_sent_fails_and_its_user_is_told(world: World, redis_url: str) -> None:
    async with sending(world, redis_url):
        await world.say(ANNA, "+14155550000", "hello")
        await until(lambda: _statuses(world, ["failed"]))
        await until(lambda: world.published("notification.created"))

    (told,) = await world.published("message.status_changed")
    assert told.error == "the sandbox never reaches phones that end in 0000"  # type: ignore[attr-defined]


async def test_who_opted_out_is_skipped_at_the_moment_of_sending(world: World, redis_url: str) -> None:
    await world.say(ANNA, PHONE, "hello")
    await world.fetch("update contacts set opted_out = true")

    async with sending(world, redis_url):
        await until(lambda: _statuses(world, ["skipped"]))

    assert await world.fetch("select status, error from messages") == [{"status": "failed", "error": "opted_out"}]
    assert await world.fetch("select from sandbox_messages") == []


async def test_a_reminder_reaches_the_users_own_phone_too(world: World, redis_url: str) -> None:
    await world.given_users()
    await world.deliver(
        UserUpdated(
            user_id=ANNA.user_id,
            email="a@x.example",
            name="A",
            role="agent",
            disabled=False,
            notify_phone="+14155550177",
        )
    )

    async with sending(world, redis_url):
        await world.deliver(
            ReminderFire(reminder_id=uuid4(), user_id=ANNA.user_id, lead_id="L1", note="Call back", remind_at=NOW)
        )
        await until(lambda: world.fetch("select from sandbox_messages"))

    sent = await world.fetch("select recipient, body from sandbox_messages")
    assert sent == [{"recipient": "+14155550177", "body": "Reminder: L1: Call back"}]


async def test_what_a_dead_process_held_is_sent_again_or_held_as_uncertain(world: World) -> None:
    for n in range(4):
        await world.say(ANNA, f"+1415555010{n}", "hello")
    await world.fetch(
        "update deliveries set status = 'sending', holder = 'dead', lease_until = clock_timestamp() - interval '1s'"
    )
    await world.fetch(
        "update deliveries set attempting_at = clock_timestamp(), provider = 'twilio' where contact_phone like '%101'"
    )
    await world.fetch(
        "update deliveries set attempting_at = clock_timestamp(), provider = 'sandbox' where contact_phone like '%102'"
    )
    await world.fetch("update deliveries set lease_until = 'infinity' where contact_phone like '%103'")

    await recover(world.database, world.accounts, resends=False)

    rows = await world.fetch("select right(contact_phone, 1) as n, status from deliveries order by 1")
    assert [tuple(row.values()) for row in rows] == [
        ("0", "pending"),
        ("1", "uncertain"),
        ("2", "pending"),
        ("3", "sending"),
    ]
    (told,) = await world.published("message.status_changed")
    assert told.status == "uncertain"  # type: ignore[attr-defined]


async def test_an_operator_settles_what_is_uncertain_once(world: World) -> None:
    await world.say(ANNA, PHONE, "hello")
    await world.fetch("update deliveries set status = 'uncertain'")
    (row,) = await world.fetch("select id from deliveries")

    async with open_work(world.database, tenant_id=None) as work:
        first = await resolve_delivery(work, row["id"], Decision.SENT)
        again = await resolve_delivery(work, row["id"], Decision.RESEND)

    assert (first, again) == (True, False)
    assert await world.fetch("select status from messages") == [{"status": "sent"}]


async def test_a_campaign_reaches_each_phone_once_and_completes(world: World, redis_url: str) -> None:
    await world.given_users()
    phones = [f"+1415555{n:04}" for n in range(1, 1001)]
    await world.call(ANNA, "POST", "/contacts", {"phone": phones[7], "name": "Priya {{phone}}"})
    await world.call(ANNA, "POST", "/contacts", {"phone": phones[8], "opted_out": True})

    async with sending(world, redis_url):
        await world.deliver(campaign(phones=(*phones, *phones[:50], "nonsense", "+14155560000")))
        completed = await until(lambda: world.published("campaign.completed"), within=30)

    by_status = await world.fetch("select status, reason, count(*) as n from deliveries group by 1, 2 order by 1, 2")
    assert {
        (row["status"], row["reason"]): row["n"] for row in by_status if row["status"] not in ("sent", "delivered")
    } == {
        ("failed", "the sandbox never reaches phones that end in 0000"): 1,
        ("skipped", "not a phone number"): 1,
        ("skipped", "opted_out"): 1,
    }
    counts = completed[0].counts  # type: ignore[attr-defined]
    assert (counts.total, counts.sent + counts.delivered, counts.failed, counts.skipped) == (1002, 999, 1, 2)
    assert await world.texts(ANNA, phones[7]) == [(1, f"Hello Priya {{{{phone}}}}, {phones[7]}")]
    assert await world.texts(ANNA, phones[8]) == []
    once = await world.fetch("select count(*) as n, count(distinct recipient) as phones from sandbox_messages")
    assert once == [{"n": 999, "phones": 999}]
    (notified,) = await world.published("notification.created")
    assert notified.kind == "campaign"  # type: ignore[attr-defined]


async def test_a_paused_campaign_stops_and_goes_on_where_it_was(world: World, redis_url: str) -> None:
    phones = [f"+1415555{n:04}" for n in range(1, 1001)]
    async with sending(world, redis_url, provider_rate=200):
        await world.deliver(campaign(phones=tuple(phones)))
        await until(lambda: _sent_at_least(world, 50))
        await world.deliver(CampaignPause(campaign_id=CAMPAIGN, revision=1))
        await until(lambda: _none_attempted(world))
        paused = await _count_sent(world)
        await asyncio.sleep(1.0)  # in which it would go on
        assert await _count_sent(world) == paused < 1000

    async with sending(world, redis_url):
        await world.deliver(CampaignResume(campaign_id=CAMPAIGN, revision=2))
        await until(lambda: world.published("campaign.completed"), within=20)

    once = await world.fetch("select count(*) as n, count(distinct recipient) as phones from sandbox_messages")
    assert once == [{"n": 1000, "phones": 1000}]


async def test_a_cancelled_campaign_says_of_everybody_what_they_got(world: World, redis_url: str) -> None:
    phones = [f"+1415555{n:04}" for n in range(1, 401)]
    async with sending(world, redis_url, provider_rate=100):
        await world.deliver(campaign(phones=tuple(phones)))
        await until(lambda: _sent_at_least(world, 20))
        await world.deliver(CampaignCancel(campaign_id=CAMPAIGN, revision=1))
        await until(lambda: _all_settled(world, 400))

    async def counted() -> bool:
        told: list[Any] = await world.published("campaign.progress")
        return bool(sum(told[-1].counts.model_dump(exclude={"total"}).values()) == 400)

    skipped = await world.fetch("select distinct reason from deliveries where status = 'skipped'")
    assert skipped == [{"reason": "cancelled"}]
    async with sending(world, redis_url):
        await until(counted)


async def test_what_is_too_late_is_skipped_and_quiet_hours_wait(world: World, redis_url: str) -> None:
    clock = datetime.now(UTC).astimezone()
    quiet = QuietHours(**{"from": "00:00", "to": "23:59"})
    async with sending(world, redis_url):
        await world.deliver(campaign(phones=(PHONE,), not_after=clock - timedelta(seconds=1)))
        await until(lambda: _statuses(world, ["skipped"]))
        await world.deliver(campaign(phones=(PHONE,), id_=UUID(int=901), quiet_hours=quiet))
        await until(
            lambda: world.fetch(
                "select from deliveries where campaign_id = $1 and due_at > clock_timestamp() + interval '5 seconds'"
                " or status in ('sent', 'delivered')",
                UUID(int=901),
            )
        )

    late = await world.fetch("select reason from deliveries where status = 'skipped'")
    assert late == [{"reason": "too_late"}]


async def test_the_audience_may_be_tags_or_everybody(world: World, redis_url: str) -> None:
    for n, tags in enumerate([["a"], ["a", "b"], ["c"]]):
        await world.call(ANNA, "POST", "/contacts", {"phone": f"+1415555010{n}", "tags": tags})
    await world.call(STRANGER, "POST", "/contacts", {"phone": "+14155550109", "tags": ["a"]})

    async with sending(world, redis_url):
        await world.deliver(campaign(tags=("a", "b")))
        await world.deliver(campaign(all=True, id_=UUID(int=901)))
        await until(lambda: _expanded(world, 2))

    rows = await world.fetch("select campaign_id, count(*) as n from deliveries group by 1 order by 1")
    assert [row["n"] for row in rows] == [2, 3]


async def test_who_got_a_campaign_is_listed_for_its_tenant(world: World, redis_url: str) -> None:
    async with sending(world, redis_url):
        await world.deliver(campaign(phones=("+14155550101", "+14155550000")))
        await until(lambda: world.published("campaign.completed"), within=10)

    path = f"/campaigns/{CAMPAIGN}/deliveries"
    failed = await world.call(ANNA, "GET", f"{path}?status=failed")
    assert [(row["contact_phone"], row["reason"][:11]) for row in failed.body["items"]] == [
        ("+14155550000", "the sandbox")
    ]
    assert len((await world.call(ANNA, "GET", path)).body["items"]) == 2
    unknown = await world.call(STRANGER, "GET", path)
    assert (unknown.status, unknown.body["detail"]) == (404, "This campaign is unknown, or has not begun.")


async def test_another_tenants_single_message_does_not_wait_behind_acampaign(world: World, redis_url: str) -> None:
    async with sending(world, redis_url, provider_rate=200, tenant_rate=200):
        await world.deliver(campaign(phones=tuple(f"+1415555{n:04}" for n in range(1, 5001))))
        await until(lambda: _sent_at_least(world, 100))

        before = await _count_sent(world)
        await world.say(STRANGER, "+442071838750", "urgent")
        await until(lambda: world.fetch("select from sandbox_messages where recipient = '+442071838750'"))

        assert await _count_sent(world) - before < 1000  # of the thousands that were before it


async def test_a_provider_that_hangs_for_one_tenant_holds_up_no_other(world: World, redis_url: str) -> None:
    hanging = Hanging(TENANT)
    world.accounts = Accounts({"hanging": hanging}, Account("hanging", "+15005550006", "default"))
    for n in range(1, 101):
        await world.say(ANNA, f"+1415555{n:04}", "hello")

    async with sending(world, redis_url, slots=16):
        await until(lambda: len(hanging.waiting) == 12)
        await world.say(STRANGER, PHONE, "urgent")
        await until(lambda: world.fetch("select from deliveries where status = 'sent'"))
        assert len(hanging.waiting) == 12
        hanging.goes_on.set()
        await until(lambda: _sent_in_all(world, 101), within=30)


class Hanging:
    """A provider that leaves one tenant waiting until it `goes_on`."""

    name = "hanging"
    takes_keys = True

    def __init__(self, tenant_id: UUID) -> None:
        self.waiting: set[UUID] = set()
        self.goes_on = asyncio.Event()
        self._tenant_id = tenant_id

    async def send(self, _account: Account, message: Outgoing) -> str | None:
        if message.tenant_id == self._tenant_id:
            self.waiting.add(message.id)
            await self.goes_on.wait()
        return message.id.hex

    async def call(self, _account: Account, _call: OutgoingCall) -> str | None:
        raise NotImplementedError


async def _sent_in_all(world: World, n: int) -> bool:
    return len(await world.fetch("select from deliveries where status = 'sent'")) == n


async def _statuses(world: World, expected: list[str]) -> bool:
    return [row["status"] for row in await world.fetch("select status from deliveries order by id")] == expected


async def _count_sent(world: World) -> int:
    (row,) = await world.fetch("select count(*) as n from sandbox_messages")
    return int(row["n"])


async def _none_attempted(world: World) -> bool:
    """What was under way has ended."""
    rows = await world.fetch("select from deliveries where status = 'sending' and attempting_at is not null")
    return rows == []


async def _sent_at_least(world: World, n: int) -> bool:
    return await _count_sent(world) >= n


async def _all_settled(world: World, n: int) -> bool:
    rows = await world.fetch("select count(*) as n from deliveries where status not in ('pending', 'sending')")
    return rows == [{"n": n}]


async def _expanded(world: World, n: int) -> bool:
    return len(await world.fetch("select from campaign_runs where expanded")) == n
