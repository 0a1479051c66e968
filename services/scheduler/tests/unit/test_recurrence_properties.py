"""Recurrences against an independent oracle, over all IANA zones and many years."""

from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from typing import Any
from zoneinfo import available_timezones

import pytest
from dateutil.rrule import rrulestr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scheduler.domain.recurrence.occurrences import Recurrence
from scheduler.domain.recurrence.patterns import locals_from
from scheduler.domain.recurrence.rules import parse_rule
from switchboard.runtime.time_zones import SECOND, to_instant, to_local

from .oracle import Parts, occurrences

ZONES = sorted(available_timezones())
QUIET = [HealthCheck.too_slow]
CALM = settings(deadline=None, max_examples=100, derandomize=True, suppress_health_check=QUIET)
THOROUGH = settings(deadline=None, max_examples=3000, suppress_health_check=QUIET)


def _some(values: st.SearchStrategy[int], most: int = 3) -> st.SearchStrategy[tuple[int, ...]]:
    return st.lists(values, max_size=most, unique=True).map(lambda found: tuple(sorted(found)))


@st.composite
def rules(draw: st.DrawFn) -> Parts:
    freq = draw(st.sampled_from(["HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY"]))
    numbers = st.sampled_from([0, 1, 2, -1, 5]) if freq == "MONTHLY" else st.just(0)
    days = tuple(sorted(draw(st.sets(st.tuples(numbers, st.integers(0, 6)), max_size=3))))
    months = draw(st.just(()) | _some(st.integers(1, 12), 6))
    # Rules such as "30 February" are valid too, but dateutil takes long to find that they never match.
    monthdays = st.integers(1, 28 if days or months else 31) | st.just(-1)
    return Parts(
        freq=freq,
        interval=draw(st.integers(1, 5)),
        byday=days,
        bymonthday=() if freq == "WEEKLY" else draw(_some(monthdays)),
        bymonth=months,
        byhour=draw(st.just(()) | _some(st.integers(0, 23))),
        byminute=draw(st.just(()) | _some(st.sampled_from([0, 15, 30, 59]))),
    )


@st.composite
def rules_of_dateutil(draw: st.DrawFn) -> str:
    """The rest of RFC 5545, as far as dateutil alone terminates."""
    freq = draw(st.sampled_from(["SECONDLY", "MINUTELY", "HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY"]))
    within_days = freq in ("SECONDLY", "MINUTELY", "HOURLY")
    parts = [
        ("INTERVAL", (draw(st.sampled_from([1, 2, 5, 7, 90])),)),
        ("BYHOUR", draw(_some(st.integers(0, 23), 2))),
        ("BYMINUTE", draw(_some(st.integers(0, 59), 2))),
        ("BYSECOND", draw(_some(st.integers(0, 59), 2))),
        ("BYDAY", draw(st.lists(st.sampled_from(["MO", "WE", "SU"]), max_size=2, unique=True))),
        ("WKST", draw(st.sampled_from([(), ("SU",), ("TH",)]))),
    ]
    if freq == "YEARLY":
        choices: list[tuple[str, tuple[Any, ...]]] = [("BYYEARDAY", (1, 200, -1)), ("BYMONTH", (2, 7))]
        if parts[4][1]:  # dateutil takes BYWEEKNO without a day for all seven, RFC 5545 for the start's weekday
            choices.append(("BYWEEKNO", (1, 20, 53)))
        parts.append(draw(st.sampled_from(choices)))
    if not within_days and any(values for name, values in parts[1:-1] if name.startswith("BY")):
        parts.append(("BYSETPOS", draw(st.sampled_from([(), (1,), (-1,), (1, 2)]))))
    written = [f"{name}={','.join(map(str, values))}" for name, values in parts if values]
    return ";".join([f"FREQ={freq}", *written])


COVERED_YEARS = 350  # the search ends with the year 9999, some four centuries after a start like these
STARTS = st.datetimes(datetime(1972, 1, 1), datetime(2037, 1, 1)).map(lambda at: at.replace(microsecond=0))  # noqa: DTZ001


@CALM
@given(parts=rules(), start=STARTS, zone=st.sampled_from(ZONES), later=st.integers(0, 3000))
def test_each_occurrence_of_a_rule_comes_once_and_no_other(
    parts: Parts, start: datetime, zone: str, later: int
) -> None:
    after = to_instant(start, zone) + timedelta(days=later)
    until = after + timedelta(days=40 if parts.freq == "HOURLY" else 800)

    found = list(takewhile(lambda at: at <= until, Recurrence(parts.text(), zone, start).following(after)))

    assert found == occurrences(parts, start, zone, after, until)


@pytest.mark.slow
@pytest.mark.timeout(300)
@THOROUGH
@given(parts=rules(), start=STARTS, zone=st.sampled_from(ZONES), later=st.integers(0, 3000))
def test_each_occurrence_comes_once_for_thousands_of_rules(
    parts: Parts, start: datetime, zone: str, later: int
) -> None:
    after = to_instant(start, zone) + timedelta(days=later)
    until = after + timedelta(days=40 if parts.freq == "HOURLY" else 800)

    found = list(takewhile(lambda at: at <= until, Recurrence(parts.text(), zone, start).following(after)))

    assert found == occurrences(parts, start, zone, after, until)


@settings(CALM, max_examples=15)  # dateutil is slow for some
@given(rule=rules_of_dateutil(), start=STARTS, skipped=st.integers(0, 20))
def test_local_times_equal_those_of_dateutil(rule: str, start: datetime, skipped: int) -> None:
    try:
        meant = list(islice(rrulestr(rule, dtstart=start), skipped + 20))
    except ValueError:
        meant = []  # raised for a combination that never happens
    since = meant[skipped] if len(meant) > skipped else start

    found = list(islice(locals_from(parse_rule(rule, "UTC"), start, since), 20))

    covered = start.year + COVERED_YEARS
    assert [local for local in found if local.year < covered] == [
        local for local in meant if local >= since and local.year < covered
    ][:20]


@CALM
@given(parts=rules(), start=STARTS, zone=st.sampled_from(ZONES))
def test_continuing_from_each_occurrence_misses_none(parts: Parts, start: datetime, zone: str) -> None:
    series = Recurrence(parts.text(), zone, start)
    whole = [at for at, _ in zip(series.following(to_instant(start, zone)), range(30), strict=False)]

    one_by_one: list[datetime] = []
    at = to_instant(start, zone)
    while len(one_by_one) < len(whole):
        at = series.next_after(at) or at
        one_by_one.append(at)

    assert one_by_one == whole
    if whole:
        assert series.latest(whole[0], whole[-1]) == whole[-1]
        assert series.latest(whole[0], whole[-1] - timedelta(seconds=1)) == ([whole[0], *whole[:-1]])[-1]


@CALM
@given(start=STARTS, zone=st.sampled_from(ZONES))
def test_a_daily_series_keeps_its_local_time_wherever_it_exists(start: datetime, zone: str) -> None:
    series = Recurrence("FREQ=DAILY", zone, start)

    for at, _ in zip(series.following(to_instant(start, zone)), range(400), strict=False):
        wall, before = to_local(at, zone), to_local(at - SECOND, zone)
        assert wall.time() == start.time() or wall - before > SECOND  # the end of a gap


@CALM
@given(zone=st.sampled_from(ZONES), at=st.datetimes(datetime(1972, 1, 1), datetime(2037, 1, 1)))  # noqa: DTZ001
def test_a_later_local_time_never_means_an_earlier_instant(zone: str, at: datetime) -> None:
    minutes = [to_instant(at + timedelta(minutes=n), zone) for n in range(0, 24 * 60, 20)]

    assert minutes == sorted(minutes)
    assert all(instant.tzinfo is UTC for instant in minutes)


@CALM
@given(start=STARTS, weeks=st.sets(st.integers(1, 53), min_size=1, max_size=3), interval=st.integers(1, 4))
def test_a_week_number_alone_means_the_starts_weekday(start: datetime, weeks: set[int], interval: int) -> None:
    rule = f"FREQ=YEARLY;INTERVAL={interval};BYWEEKNO={','.join(map(str, sorted(weeks)))}"
    days = [start + timedelta(days=n) for n in range(9 * 366)]
    meant = [
        day
        for day in days
        if day.isocalendar().week in weeks
        and day.weekday() == start.weekday()
        and (day.year - start.year) % interval == 0
        and (day.isocalendar().year == day.year or interval == 1)
    ]

    found = takewhile(lambda local: local <= days[-1], locals_from(parse_rule(rule, "UTC"), start, start))

    assert [day for day in found if day.isocalendar().year == day.year or interval == 1] == meant
