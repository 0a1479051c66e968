"""The local times that a rule means, in order, found in a bounded time whatever the rule says.

python-dateutil says which days a rule means. It is not asked for times within a day: a rule that never comes true
("each second of the second position") would keep it searching for hours. Times are found by arithmetic here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import MAXYEAR, date, datetime, time, timedelta
from itertools import count, dropwhile, product, takewhile
from math import gcd
from typing import Any

from dateutil.rrule import DAILY, HOURLY, MINUTELY, SECONDLY, WEEKLY, YEARLY, rrule

from scheduler.domain.recurrence.rules import Freq, Rule

CYCLE = 400  # years
LAST_CYCLE = 9500  # begins here or later
HORIZON = 100 * 366  # days; what has nothing due for a century is over
DAY_PARTS = ("bymonth", "byweekno", "byyearday", "bymonthday", "byweekday")
EVERY_DAY = tuple(range(1, 32))
UNITS: dict[Freq, int] = {HOURLY: 3600, MINUTELY: 60, SECONDLY: 1}  # seconds
MIDNIGHT = {"byhour": 0, "byminute": 0, "bysecond": 0}


def locals_from(rule: Rule, start: datetime, since: datetime) -> Iterator[datetime]:
    """All at or after both `start`, in whole seconds, and `since`; without regard to COUNT."""
    if rule.freq in UNITS:
        found = _within_days(rule, start, since)
    elif rule.freq != DAILY and "bysetpos" in rule.by:
        found = _by_dateutil(rule.freq, rule.interval, _near(rule, start, since), rule.by)
    else:
        found = _on_days(rule, start, since)
    found = dropwhile(lambda local: local < max(start, since), found)
    return takewhile(lambda local: rule.until is None or local <= rule.until, found)


def _on_days(rule: Rule, start: datetime, since: datetime) -> Iterator[datetime]:
    """Each day that is meant, at each time of day that is meant."""
    times = _positions(rule, _times(rule, start)) if rule.freq == DAILY else _times(rule, start)
    if rule.freq == DAILY:
        days = _days(rule, start.date(), max(start, since).date(), step=rule.interval)
    else:
        day_parts = {**_day_parts(rule), "wkst": rule.by.get("wkst"), **MIDNIGHT}
        begin = datetime.combine(_near(rule, start, since), time())
        days = (at.date() for at in _by_dateutil(rule.freq, rule.interval, begin, day_parts))
    return (datetime.combine(day, at) for day in days for at in times)


def _within_days(rule: Rule, start: datetime, since: datetime) -> Iterator[datetime]:
    """Hours, minutes or seconds, counted from the start in steps of the interval."""
    unit = timedelta(seconds=UNITS[rule.freq])
    per_day = timedelta(days=1) // unit
    begin = _number(start, unit)
    offsets = _offsets(rule, start)
    meant = _is_meant(rule)
    step = gcd(rule.interval, per_day)
    if not any((n - begin) % step == 0 and meant(n) for n in range(per_day)):
        return  # never at a time of day that is meant
    first = max(begin, _number(since, unit))
    for day in _days(rule, start.date(), max(start, since).date(), step=1):
        base = day.toordinal() * per_day
        low = max(base, first)
        for n in range(low + (begin - low) % rule.interval, base + per_day, rule.interval):
            if meant(n - base):
                yield from (datetime.combine(day, time()) + (n - base) * unit + offset for offset in offsets)


def _number(local: datetime, unit: timedelta) -> int:
    """Which one of all units this is."""
    return local.toordinal() * (timedelta(days=1) // unit) + (local - datetime.combine(local, time())) // unit


def _offsets(rule: Rule, start: datetime) -> list[timedelta]:
    """The times within a unit."""
    minutes = _named(rule, "byminute", start.minute) if rule.freq == HOURLY else [0]
    seconds = _named(rule, "bysecond", start.second) if rule.freq != SECONDLY else [0]
    return [timedelta(minutes=minute, seconds=second) for minute, second in product(minutes, seconds)]


def _is_meant(rule: Rule) -> Any:
    """Whether a unit of the day, by its number, is one that the rule names."""
    unit = UNITS[rule.freq]
    parts = [("byhour", 3600, 24), ("byminute", 60, 60), ("bysecond", 1, 60)]
    named = [(set(rule.by[name]), size // unit, n) for name, size, n in parts if name in rule.by and size >= unit]
    return lambda number: all(number // size % n in values for values, size, n in named)


def _days(rule: Rule, start: date, since: date, *, step: int) -> Iterator[date]:
    """The days that the rule names, at or after `since`, whose distance from the start is a multiple of `step`."""
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
    """The times of a day that are meant."""
    hours, minutes = _named(rule, "byhour", start.hour), _named(rule, "byminute", start.minute)
    seconds = _named(rule, "bysecond", start.second)
    return [time(*each) for each in product(hours, minutes, seconds)]


def _named(rule: Rule, name: str, otherwise: int) -> list[int]:
    return sorted(set(rule.by.get(name, (otherwise,))))


def _positions(rule: Rule, times: Sequence[time]) -> list[time]:
    """Those of a day's times that BYSETPOS names; all without it."""
    if "bysetpos" not in rule.by:
        return list(times)
    places = {position - 1 if position > 0 else len(times) + position for position in rule.by["bysetpos"]}
    return [times[place] for place in sorted(places) if 0 <= place < len(times)]


def _near(rule: Rule, start: datetime, since: datetime) -> datetime:
    """Begins close to `since` where that is plain: a rule would otherwise be walked through from its start."""
    if rule.freq != WEEKLY or since <= start:
        return start
    whole = timedelta(weeks=rule.interval)
    return start + max((since - start) // whole - 1, 0) * whole


def _by_dateutil(freq: Freq, interval: int, start: datetime, by: Any) -> Iterator[datetime]:
    """What dateutil makes of it, in a later cycle of the calendar.

    It looks for the next 30 February until the year 9999. The calendar repeats itself, weekdays included, each
    400 years, so the search is moved to where it soon ends.
    """
    shift = max(LAST_CYCLE - start.year + CYCLE - 1, 0) // CYCLE * CYCLE
    assert start.year + shift <= MAXYEAR
    try:
        for local in rrule(freq, dtstart=_moved(start, shift), interval=interval, **by):
            yield _moved(local, -shift)
    except ValueError:
        return  # dateutil's word for a combination that can never happen


def _moved(local: datetime, years: int) -> datetime:
    return local.replace(year=local.year + years)
