"""Recurrences: clock changes, and rules that are refused."""

from datetime import UTC, datetime, timedelta

import pytest

from scheduler.domain.recurrence.occurrences import Recurrence
from scheduler.domain.recurrence.rules import BadRule, parse_rule
from switchboard.runtime.time_zones import to_instant


def local(text: str) -> datetime:
    return datetime.fromisoformat(text)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def some(series: Recurrence, after: str, count: int) -> list[datetime]:
    return [at for at, _ in zip(series.following(utc(after)), range(count), strict=False)]


def test_a_daily_series_keeps_its_local_time_across_clock_changes() -> None:
    daily = Recurrence("FREQ=DAILY", "Europe/Berlin", local("2026-03-27T09:00"))

    assert some(daily, "2026-03-27T12:00", 3) == [
        utc("2026-03-28T08:00"),
        utc("2026-03-29T07:00"),
        utc("2026-03-30T07:00"),
    ]
    assert some(daily, "2026-10-24T00:00", 2) == [utc("2026-10-24T07:00"), utc("2026-10-25T08:00")]


def test_a_skipped_local_time_occurs_at_the_end_of_the_gap() -> None:
    daily = Recurrence("FREQ=DAILY", "America/New_York", local("2026-03-07T02:30"))

    assert some(daily, "2026-03-07T08:00", 2) == [utc("2026-03-08T07:00"), utc("2026-03-09T06:30")]


def test_a_local_time_that_exists_twice_occurs_the_first_time() -> None:
    daily = Recurrence("FREQ=DAILY", "America/New_York", local("2026-10-31T01:30"))

    assert some(daily, "2026-10-31T12:00", 2) == [utc("2026-11-01T05:30"), utc("2026-11-02T06:30")]


def test_a_day_that_a_zone_skipped_occurs_at_its_end() -> None:
    daily = Recurrence("FREQ=DAILY", "Pacific/Apia", local("2011-12-28T09:00"))

    assert some(daily, "2011-12-29T12:00", 3) == [
        utc("2011-12-29T19:00"),
        utc("2011-12-30T10:00"),
        utc("2011-12-30T19:00"),
    ]


def test_two_local_times_in_one_gap_occur_once() -> None:
    quarters = Recurrence("FREQ=MINUTELY;INTERVAL=15", "America/New_York", local("2026-03-08T01:00"))

    assert some(quarters, "2026-03-08T06:40", 3) == [
        utc("2026-03-08T06:45"),
        utc("2026-03-08T07:00"),
        utc("2026-03-08T07:15"),
    ]


def test_the_start_counts_even_if_the_rule_does_not_yield_it() -> None:
    tuesday = local("2026-06-02T10:00")
    mondays = Recurrence("FREQ=WEEKLY;BYDAY=MO;COUNT=3", "UTC", tuesday)

    assert some(mondays, "2026-06-02T10:00", 9) == [utc("2026-06-08T10:00"), utc("2026-06-15T10:00")]


def test_a_count_of_one_is_the_start_even_if_the_rule_does_not_yield_it() -> None:
    once = Recurrence("FREQ=WEEKLY;BYDAY=MO;COUNT=1", "UTC", local("2026-06-02T10:00"))

    assert some(once, "2026-06-02T09:00", 9) == [utc("2026-06-02T10:00")]


@pytest.mark.parametrize(
    ("rule", "days"),
    [
        ("FREQ=YEARLY;BYWEEKNO=20", ["2026-05-16", "2027-05-22", "2028-05-20"]),
        ("FREQ=YEARLY;BYWEEKNO=20,-1", ["2026-05-16", "2027-01-02", "2027-05-22"]),
        ("FREQ=YEARLY;BYWEEKNO=20;WKST=SU", ["2026-05-23", "2027-05-22", "2028-05-20"]),
        ("FREQ=YEARLY;BYWEEKNO=20;INTERVAL=2", ["2026-05-16", "2028-05-20", "2030-05-18"]),
        ("FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO,TU", ["2026-05-11", "2026-05-12", "2027-05-17"]),
    ],
)
def test_a_week_number_alone_means_the_weekday_of_the_start(rule: str, days: list[str]) -> None:
    saturday = Recurrence(rule, "UTC", local("2026-01-10T10:00"))

    assert [f"{at:%Y-%m-%d}" for at in some(saturday, "2026-01-10T10:00", 3)] == days


def test_until_is_inclusive() -> None:
    daily = Recurrence("FREQ=DAILY;UNTIL=20260603T100000Z", "UTC", local("2026-06-01T10:00"))

    assert some(daily, "2026-06-01T10:00", 9) == [utc("2026-06-02T10:00"), utc("2026-06-03T10:00")]


@pytest.mark.timeout(20)  # plain dateutil searches for minutes, or for years
@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=YEARLY;BYYEARDAY=366;BYMONTH=1",
        "FREQ=WEEKLY;BYSETPOS=99;BYHOUR=1",
        "FREQ=DAILY;BYSETPOS=2;BYHOUR=1",
        "FREQ=DAILY;INTERVAL=7;BYDAY=MO",
        "FREQ=HOURLY;INTERVAL=24;BYHOUR=3",
        "FREQ=MINUTELY;BYHOUR=3;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MINUTELY;INTERVAL=2;BYMINUTE=1",
        "FREQ=SECONDLY;BYMONTH=4;BYMONTHDAY=31",
    ],
)
def test_a_rule_that_never_matches_is_found_out_quickly(rule: str) -> None:
    never = Recurrence(rule, "UTC", local("2026-01-01T00:00"))

    assert never.next_after(utc("2026-01-01T00:00")) is None


def test_a_leap_day_on_a_monday_is_found() -> None:
    rare = Recurrence("FREQ=MINUTELY;INTERVAL=7;BYHOUR=3;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO", "UTC", local("2026-01-01"))

    assert some(rare, "2026-01-01T00:00", 2) == [utc("2044-02-29T03:03"), utc("2044-02-29T03:10")]


def test_the_latest_of_a_dense_series_is_found_quickly() -> None:
    each_second = Recurrence("FREQ=SECONDLY", "UTC", local("2000-01-01T00:00"))
    now = utc("2026-01-01T00:00") + timedelta(milliseconds=700)

    assert each_second.latest(utc("2000-01-01T00:00"), now) == utc("2026-01-01T00:00")


@pytest.mark.parametrize("zone", ["Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kathmandu"])
def test_local_times_in_unusual_zones_round_trip(zone: str) -> None:
    noon = local("2026-05-05T12:00")

    assert to_instant(noon, zone).astimezone(UTC).tzinfo is UTC


@pytest.mark.parametrize(
    "rule",
    [
        "",
        "every day",
        "FREQ=FORTNIGHTLY",
        "INTERVAL=2",
        "FREQ=DAILY;FREQ=DAILY",
        "FREQ=DAILY;INTERVAL=0",
        "FREQ=DAILY;COUNT=0",
        "FREQ=DAILY;COUNT=2;UNTIL=20260101",
        "FREQ=DAILY;UNTIL=tomorrow",
        "FREQ=DAILY;UNTIL=20261301",
        "FREQ=DAILY;BYHOUR=24",
        "FREQ=WEEKLY;BYDAY=XX",
        "FREQ=WEEKLY;BYDAY=2MO",
        "FREQ=MONTHLY;BYDAY=6MO",
        "FREQ=WEEKLY;BYMONTHDAY=3",
        "FREQ=MONTHLY;BYMONTHDAY=0",
        "FREQ=MONTHLY;BYWEEKNO=3",
        "FREQ=MONTHLY;BYSETPOS=1",
        "FREQ=MINUTELY;BYSETPOS=2;BYSECOND=1",
        "FREQ=YEARLY;BYEASTER=1",
        "FREQ=DAILY\nDTSTART:20260101",
        "FREQ=DAILY;COUNT=99999999",
        "FREQ=DAILY;" + "BYHOUR=" + ",".join(["1"] * 300),
    ],
)
def test_a_malformed_rule_is_refused(rule: str) -> None:
    with pytest.raises(BadRule):
        parse_rule(rule, "UTC")


@pytest.mark.parametrize("number", ["X", "999999", "99999999"])
def test_a_number_out_of_range_is_refused_with_its_bounds(number: str) -> None:
    with pytest.raises(BadRule, match=f"INTERVAL={number} is .*within 1 and "):
        parse_rule(f"FREQ=DAILY;INTERVAL={number}", "UTC")
