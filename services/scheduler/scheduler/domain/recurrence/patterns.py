"""Expand a recurrence rule into local times, in order and in bounded time for any rule.

python-dateutil finds the days of a rule. Times within a day are computed here: a rule that never matches ("each second
at the second position") would keep dateutil searching for hours.
"""

from collections.abc import Iterator, Sequence
from datetime import MAXYEAR, date, datetime, time, timedelta
from itertools import count, dropwhile, product, takewhile
from math import gcd
from typing import Any

from dateutil.rrule import DAILY, HOURLY, MINUTELY, MONTHLY, SECONDLY, WEEKLY, YEARLY, rrule

from scheduler.domain.recurrence.rules import Freq, Rule

FOREVER = datetime.max  # noqa: DTZ901
CYCLE = 400  # years
LAST_CYCLE = 9500  # begins here or later
HORIZON = 100 * 366  # days; a series without an occurrence for a century has ended
DAY_PARTS = ("bymonth", "byweekno", "byyearday", "bymonthday", "byweekday")
EVERY_DAY = tuple(range(1, 32))
UNITS: dict[Freq, int] = {HOURLY: 3600, MINUTELY: 60, SECONDLY: 1}  # seconds
MIDNIGHT = {"byhour": 0, "byminute": 0, "bysecond": 0}


def locals_from(rule: Rule, start: datetime, since: datetime) -> Iterator[datetime]:
    """The rule's local times at or after `start` (in whole seconds) and `since`. COUNT is not applied."""
    if rule.freq in UNITS:
        found = _within_days(rule, start, since)
    elif rule.freq != DAILY and "bysetpos" in rule.by:
        found = _by_dateutil(rule.freq, rule.interval, _near(rule, start, since), rule.by | _of_start(rule, start))
    else:
        found = _on_days(rule, start, since)
    found = dropwhile(lambda local: local < max(start, since), found)
    return takewhile(lambda local: rule.until is None or local <= rule.until, found)


def _on_days(rule: Rule, start: datetime, since: datetime) -> Iterator[datetime]:
    """Expand a rule by days: each matching day at each matching time of day."""
    times = _positions(rule, _times(rule, start)) if rule.freq == DAILY else _times(rule, start)
    if rule.freq == DAILY:
        days = _days(rule, start.date(), max(start, since).date(), step=rule.interval)
    else:
        day_parts = {**_day_parts(rule), **_of_start(rule, start), "wkst": rule.by.get("wkst"), **MIDNIGHT}
        begin = datetime.combine(_near(rule, start, since), time())
        found = (at.date() for at in _by_dateutil(rule.freq, rule.interval, begin, day_parts))
        days = dropwhile(lambda day: day < since.date(), found)  # before their times are read: there may be 1440 a day
    return (datetime.combine(day, at) for day in days for at in times)


def _within_days(rule: Rule, start: datetime, since: datetime) -> Iterator[datetime]:
    """Expand a rule by hours, minutes or seconds, counted from the start in steps of the interval."""
    unit = timedelta(seconds=UNITS[rule.freq])
    per_day = timedelta(days=1) // unit
    begin = _number(start, unit)
    offsets = _offsets(rule, start)
    matches = _matches(rule)
    step = gcd(rule.interval, per_day)
    named = [n for n in range(per_day) if (n - begin) % step == 0 and matches(n)]
    if not named:
        return  # no time of day matches
    few = len(named) * rule.interval < per_day  # fewer than the steps of a day
    first = max(begin, _number(since, unit))
    for day in _days(rule, start.date(), max(start, since).date(), step=1):
        base = day.toordinal() * per_day
        low = max(base, first)
        steps = range(low + (begin - low) % rule.interval, base + per_day, rule.interval)
        for n in (base + each for each in named) if few else steps:
            if n in steps and (few or matches(n - base)):
                yield from (datetime.combine(day, time()) + (n - base) * unit + offset for offset in offsets)


def _number(local: datetime, unit: timedelta) -> int:
    """The number of the unit that `local` lies in, counted from year 1."""
    return local.toordinal() * (timedelta(days=1) // unit) + (local - datetime.combine(local, time())) // unit


def _offsets(rule: Rule, start: datetime) -> list[timedelta]:
    """The occurrences within one unit, as offsets from its start."""
    minutes = _named(rule, "byminute", start.minute) if rule.freq == HOURLY else [0]
    seconds = _named(rule, "bysecond", start.second) if rule.freq != SECONDLY else [0]
    return [timedelta(minutes=minute, seconds=second) for minute, second in product(minutes, seconds)]


def _matches(rule: Rule) -> Any:
    """A predicate: whether the rule matches a unit of the day, given by its number."""
    unit = UNITS[rule.freq]
    parts = [("byhour", 3600, 24), ("byminute", 60, 60), ("bysecond", 1, 60)]
    named = [(set(rule.by[name]), size // unit, n) for name, size, n in parts if name in rule.by and size >= unit]
    return lambda number: all(number // size % n in values for values, size, n in named)


def _days(rule: Rule, start: date, since: date, *, step: int) -> Iterator[date]:
    """Matching days at or after `since` at a distance from the start that is a multiple of `step`."""
    parts = _day_parts(rule)
    last = min(since.toordinal() + HORIZON, date.max.toordinal())
    if not parts:
        first = since.toordinal() + (start.toordinal() - since.toordinal()) % step
        return map(date.fromordinal, takewhile(lambda day: day <= last, count(first, step)))
    if parts.keys() <= {"bymonth"}:
        parts["bymonthday"] = EVERY_DAY
    found = _by_dateutil(YEARLY, 1, datetime.combine(since, time()), {**parts, **MIDNIGHT})
    days = takewhile(lambda day: day.toordinal() <= last, (at.date() for at in found))
    return (day for day in days if (day - start).days % step == 0)


def _day_parts(rule: Rule) -> dict[str, Any]:
    return {name: rule.by[name] for name in DAY_PARTS if name in rule.by}


def _times(rule: Rule, start: datetime) -> list[time]:
    """The matching times of a day."""
    hours, minutes = _named(rule, "byhour", start.hour), _named(rule, "byminute", start.minute)
    seconds = _named(rule, "bysecond", start.second)
    return [time(*each) for each in product(hours, minutes, seconds)]


def _named(rule: Rule, name: str, otherwise: int) -> list[int]:
    return sorted(set(rule.by.get(name, (otherwise,))))


def _positions(rule: Rule, times: Sequence[time]) -> list[time]:
    """The times of a day that BYSETPOS selects; all without it."""
    if "bysetpos" not in rule.by:
        return list(times)
    places = {position - 1 if position > 0 else len(times) + position for position in rule.by["bysetpos"]}
    return [times[place] for place in sorted(places) if 0 <= place < len(times)]


def _of_start(rule: Rule, start: datetime) -> dict[str, Any]:
    """The day that a rule without one takes from its start.

    Named here, so that a rule may be read from another day. dateutil takes a week's seven days for BYWEEKNO alone; RFC
    5545 means the start's weekday.
    """
    parts = _day_parts(rule).keys() - {"bymonth"}
    if rule.freq == YEARLY and parts == {"byweekno"}:
        return {"byweekday": (start.weekday(),)}
    if rule.freq not in (MONTHLY, YEARLY) or parts:
        return {}
    month = {"bymonth": (start.month,)} if rule.freq == YEARLY and "bymonth" not in rule.by else {}
    return {"bymonthday": (start.day,), **month}


def _near(rule: Rule, start: datetime, since: datetime) -> datetime:
    """A start close to `since`, a multiple of the interval later."""
    if rule.freq == WEEKLY:
        whole = timedelta(weeks=rule.interval)
        return start + max((since - start) // whole - 1, 0) * whole
    months = rule.interval * (12 if rule.freq == YEARLY else 1)
    begin = start.year * 12 + start.month - 1
    passed = max(since.year * 12 + since.month - 1 - begin, 0)
    year, month = divmod(begin + passed // months * months, 12)
    return start.replace(year=year, month=month + 1, day=1)


def _by_dateutil(freq: Freq, interval: int, start: datetime, by: Any) -> Iterator[datetime]:
    """Expand by dateutil, shifted to a later cycle of the calendar.

    dateutil searches for the next 30 February until the year 9999. The calendar repeats every 400 years, weekdays
    included, so the search is shifted to where it ends soon.
    """
    shift = max(LAST_CYCLE - start.year + CYCLE - 1, 0) // CYCLE * CYCLE
    assert start.year + shift <= MAXYEAR
    try:
        for local in rrule(freq, dtstart=_moved(start, shift), interval=interval, **by):
            yield _moved(local, -shift)
    except ValueError:
        return  # dateutil raises this for a combination that never happens


def _moved(local: datetime, years: int) -> datetime:
    return local.replace(year=local.year + years)


def nth_of_plain(rule: Rule, start: datetime, n: int) -> datetime:
    """The nth local time, the start being the first, of a rule that `is_plain`, or `FOREVER`."""
    unit = {DAILY: timedelta(days=1), WEEKLY: timedelta(weeks=1)}.get(rule.freq) or timedelta(seconds=UNITS[rule.freq])
    try:
        return start + (n - 1) * rule.interval * unit
    except OverflowError:
        return FOREVER
