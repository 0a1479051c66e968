"""Time zones of phones, and quiet hours in them."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from conversations.domain.quiet_hours import quiet_until, zones_of

NEW_YORK, BERLIN = "+12125550100", "+4915112345678"


@pytest.mark.parametrize(
    ("phone", "otherwise", "zone"),
    [
        (NEW_YORK, "Asia/Tokyo", "America/New_York"),
        (BERLIN, "Asia/Tokyo", "Europe/Berlin"),
        ("+88212345678", "Asia/Tokyo", "Asia/Tokyo"),  # no country's
        ("+88212345678", "Mars/Olympus", "UTC"),
    ],
)
def test_a_phone_is_in_its_countrys_time_zone_else_in_the_senders(phone: str, otherwise: str, zone: str) -> None:
    assert [found.key for found in zones_of(phone, otherwise)] == [zone]


def test_a_number_of_several_zones_is_quiet_if_it_is_in_any() -> None:
    zones = zones_of("+61412345678", "Europe/Berlin")  # all of Australia
    assert {"Australia/Perth", "Australia/Sydney"} <= {zone.key for zone in zones}

    evening_in_sydney = datetime(2026, 5, 4, 11, 30, tzinfo=UTC)  # 21:30 there, 19:30 in Perth
    until = quiet_until(evening_in_sydney, zones, time(21), time(8))

    assert until is not None
    # Until 8:00 in the west. Then it may be sent.
    assert until >= datetime(2026, 5, 4, 22, tzinfo=UTC)
    assert quiet_until(datetime(2026, 5, 5, 3, tzinfo=UTC), zones, time(21), time(8)) is None


def test_quiet_hours_end_even_for_a_number_of_the_whole_world() -> None:
    zones = [ZoneInfo(f"Etc/GMT{offset:+d}") for offset in range(-11, 12)]
    found = [quiet_until(datetime(2026, 5, 4, hour, tzinfo=UTC), zones, time(21), time(8)) for hour in range(24)]

    assert None in found


@pytest.mark.parametrize(
    ("zone", "begins", "ends", "at", "until"),
    [
        ("America/New_York", "21:00", "01:30", "2027-11-07T05:10", "2027-11-07T06:30"),
        ("America/New_York", "21:00", "01:30", "2027-11-07T05:40", "2027-11-07T06:30"),
        ("America/New_York", "21:00", "01:30", "2027-11-07T06:10", "2027-11-07T06:30"),
        ("America/New_York", "21:00", "01:30", "2027-11-07T06:30", None),
        ("Europe/Berlin", "22:00", "02:30", "2027-10-31T01:10", "2027-10-31T01:30"),
        ("Australia/Lord_Howe", "22:00", "01:45", "2027-04-03T14:50", "2027-04-03T15:15"),
        ("Africa/Cairo", "00:30", "08:00", "2027-04-29T22:30", "2027-04-30T05:00"),  # begins in a gap
        ("Europe/Berlin", "22:00", "02:30", "2027-03-27T23:30", "2027-03-28T01:00"),  # ends in a gap
        ("Europe/Berlin", "02:15", "02:45", "2027-10-31T00:20", "2027-10-31T01:45"),
    ],
)
def test_quiet_hours_end_later_than_now_whatever_the_clock_does(
    zone: str, begins: str, ends: str, at: str, until: str | None
) -> None:
    now = datetime.fromisoformat(at).replace(tzinfo=UTC)

    found = quiet_until(now, [ZoneInfo(zone)], time.fromisoformat(begins), time.fromisoformat(ends))

    assert found == (until and datetime.fromisoformat(until).replace(tzinfo=UTC))


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Africa/Casablanca"])
def test_the_end_of_quiet_hours_is_no_quiet_time_and_never_past(zone: str) -> None:
    begin = datetime(2027, 1, 1, tzinfo=UTC)
    for minutes in range(0, 366 * 24 * 60, 50):
        now = begin + timedelta(minutes=minutes)
        until = quiet_until(now, [ZoneInfo(zone)], time(21), time(1, 30))
        assert until is None or (now < until and quiet_until(until, [ZoneInfo(zone)], time(21), time(1, 30)) is None)


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

    found = quiet_until(now, [zone], time.fromisoformat(begins), time.fromisoformat(ends))

    assert found == (quiet and datetime.fromisoformat(quiet).replace(tzinfo=zone))
