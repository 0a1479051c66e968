"""When sending is polite: by the recipient's own clock."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from conversations.domain.quiet_hours import quiet_until, zone_of
from switchboard.contracts.auth import UserUpdated
from switchboard.contracts.conversations import QuietHours
from switchboard.testing import until

from .campaigns import CAMPAIGN, campaign
from .senders import sending
from .world import ANNA, World

NEW_YORK, BERLIN = "+12125550100", "+4915112345678"


@pytest.mark.parametrize(
    ("phone", "otherwise", "zone"),
    [
        (NEW_YORK, "Asia/Tokyo", "America/New_York"),
        (BERLIN, "Asia/Tokyo", "Europe/Berlin"),
        ("+18005550100", "America/Chicago", "America/Chicago"),  # all of North America: the sender's own is one of them
        ("+61412345678", "Europe/Berlin", "Australia/Brisbane"),  # all of Australia, and the sender is elsewhere
        ("+88212345678", "Asia/Tokyo", "Asia/Tokyo"),  # no country's
        ("+88212345678", "Mars/Olympus", "UTC"),
    ],
)
def test_a_phone_is_in_its_countrys_zone_else_in_the_senders(phone: str, otherwise: str, zone: str) -> None:
    assert zone_of(phone, otherwise).key == zone


@pytest.mark.parametrize(
    ("local", "begins", "ends", "quiet"),
    [
        ("2026-03-02T20:59", "21:00", "08:00", None),
        ("2026-03-02T21:00", "21:00", "08:00", "2026-03-03T08:00"),
        ("2026-03-03T07:59", "21:00", "08:00", "2026-03-03T08:00"),
        ("2026-03-03T08:00", "21:00", "08:00", None),
        ("2026-03-02T12:30", "12:00", "13:00", "2026-03-02T13:00"),
        ("2026-03-02T12:30", "12:00", "12:00", None),
        ("2026-03-28T23:00", "22:00", "09:00", "2026-03-29T09:00"),  # the clocks go forward that night
    ],
)
def test_quiet_hours_end_when_the_recipients_clock_says_so(
    local: str, begins: str, ends: str, quiet: str | None
) -> None:
    zone = ZoneInfo("Europe/Berlin")
    now = datetime.fromisoformat(local).replace(tzinfo=zone).astimezone(UTC)

    found = quiet_until(now, zone, time.fromisoformat(begins), time.fromisoformat(ends))

    assert found == (quiet and datetime.fromisoformat(quiet).replace(tzinfo=zone))


async def test_a_campaign_waits_for_those_alone_who_have_quiet_hours_now(world: World, redis_url: str) -> None:
    there = datetime.now(ZoneInfo("Europe/Berlin"))
    quiet = _around(there)  # some five hours earlier in New York: not quiet there

    async with sending(world, redis_url):
        await world.deliver(campaign(phones=(NEW_YORK, BERLIN), quiet_hours=quiet))
        await until(lambda: _status(world, NEW_YORK, "delivered"))
        await until(lambda: _put_off(world, BERLIN))

    (row,) = await world.fetch("select due_at, attempts, message_id from deliveries where contact_phone = $1", BERLIN)
    assert row["due_at"].astimezone(there.tzinfo).strftime("%H:%M") == quiet.to
    assert (row["attempts"], row["message_id"]) == (0, None)


async def test_a_phone_of_no_country_is_where_the_campaigns_creator_is(world: World, redis_url: str) -> None:
    user = UserUpdated(
        user_id=ANNA.user_id, email="a@x.example", name="A", role="agent", disabled=False, time_zone="Asia/Tokyo"
    )
    await world.deliver(user)
    quiet = _around(datetime.now(ZoneInfo("Asia/Tokyo")))

    async with sending(world, redis_url):
        await world.deliver(campaign(phones=("+88212345678", "+447911123456"), quiet_hours=quiet))
        await until(lambda: _status(world, "+447911123456", "delivered"))
        await until(lambda: _put_off(world, "+88212345678"))


def _around(now: datetime) -> QuietHours:
    hour = timedelta(hours=1)
    return QuietHours(**{"from": (now - hour).strftime("%H:%M"), "to": (now + 2 * hour).strftime("%H:%M")})


async def _status(world: World, phone: str, status: str) -> bool:
    return bool(await world.fetch("select from deliveries where contact_phone = $1 and status = $2", phone, status))


async def _put_off(world: World, phone: str) -> bool:
    waiting = "select from deliveries where campaign_id = $1 and contact_phone = $2 and status = 'pending'"
    return bool(await world.fetch(f"{waiting} and due_at > clock_timestamp() + interval '1 minute'", CAMPAIGN, phone))
