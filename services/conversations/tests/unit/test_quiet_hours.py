"""Time zones of phones, and quiet hours in them."""

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest

from conversations.domain.quiet_hours import quiet_until, zone_of

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
def test_a_phone_is_in_its_countrys_time_zone_else_in_the_senders(phone: str, otherwise: str, zone: str) -> None:
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
def test_quiet_hours_end_by_the_recipients_local_time(local: str, begins: str, ends: str, quiet: str | None) -> None:
    zone = ZoneInfo("Europe/Berlin")
    now = datetime.fromisoformat(local).replace(tzinfo=zone).astimezone(UTC)

    found = quiet_until(now, zone, time.fromisoformat(begins), time.fromisoformat(ends))

    assert found == (quiet and datetime.fromisoformat(quiet).replace(tzinfo=zone))
