"""Recurrences: RFC 5545 rules, meant in the local time of an IANA zone.

Nine in the morning stays nine across a clock change. What falls into an hour that doesn't exist happens when
that gap ends; what falls into an hour that exists twice happens in the first of the two. Where both rules put
two occurrences on one instant, there is one. The first occurrence is the start itself, whether the rule would
yield it or not, and counts towards COUNT.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import MAXYEAR, datetime, timedelta
from functools import lru_cache
from itertools import islice

from dateutil.rrule import rrule

from scheduler.rules import STEPS, Rule, parse_rule
from scheduler.zones import to_instant, to_local

CYCLE = 400  # years
LAST_CYCLE = 9500  # begins here or later
WINDOWS = (  # to look back through, so that a dense rule is walked through only at its end
    timedelta(minutes=1),
    timedelta(hours=1),
    timedelta(days=1),
    timedelta(days=31),
    timedelta(days=366),
)


@dataclass(frozen=True)
class Recurrence:
    """`rule` as RFC 5545 writes it, without `RRULE:`; `start` is the local time of the first occurrence,
    without zone.
    """

    rule: str
    zone: str
    start: datetime

    def next_after(self, after: datetime) -> datetime | None:
        """The first occurrence later than `after`, which is not before the start; None when there are no
        more.
        """
        return next(self.following(after), None)

    def following(self, after: datetime) -> Iterator[datetime]:
        """All occurrences later than `after`, each instant once, in order."""
        last = after
        for local in self._locals_after(to_local(after, self.zone)):
            at = to_instant(local, self.zone)
            if at > last:
                yield at
                last = at

    def latest(self, since: datetime, now: datetime) -> datetime:
        """The last occurrence up to `now`, given that `since` is one."""
        for window in WINDOWS:
            if now - window <= since:
                break
            found = self._last_between(now - window, now)
            if found is not None:
                return found
        return self._last_between(since, now) or since

    def _last_between(self, after: datetime, until: datetime) -> datetime | None:
        last = None
        for at in self.following(after):
            if at > until:
                break
            last = at
        return last

    def _locals_after(self, after: datetime) -> Iterator[datetime]:
        rule = _parsed(self.rule, self.zone)
        start = self.start.replace(microsecond=0)
        if rule.count is not None:
            return _counted(rule, start, after)
        return _uncounted(rule, start, after)


def _uncounted(rule: Rule, start: datetime, after: datetime) -> Iterator[datetime]:
    """Begins close to `after`: the rule would otherwise be walked through from its start each time."""
    step = STEPS.get(rule.freq)
    if step is not None and after > start:
        whole = step * rule.interval
        start += max((after - start) // whole - 1, 0) * whole
    return (local for local in _walk(rule, start) if local > after)


def _counted(rule: Rule, start: datetime, after: datetime) -> Iterator[datetime]:
    assert rule.count is not None
    count = rule.count if next(_walk(rule, start), None) == start else rule.count - 1
    return (local for local in islice(_walk(rule, start), count) if local > after)


def _walk(rule: Rule, start: datetime) -> Iterator[datetime]:
    """What dateutil makes of it, in a later cycle of the calendar.

    dateutil looks for the next 30 February until the year 9999. The calendar repeats itself, weekdays
    included, each 400 years, so the search is moved to where it soon ends; a rule with nothing due for a
    century is over.
    """
    shift = max(LAST_CYCLE - start.year + CYCLE - 1, 0) // CYCLE * CYCLE
    until = rule.until
    if until is not None:
        until = _moved(until, shift) if until.year + shift <= MAXYEAR else None
    try:
        for local in rrule(rule.freq, dtstart=_moved(start, shift), interval=rule.interval, until=until, **rule.by):
            yield _moved(local, -shift)
    except ValueError:
        return  # dateutil's word for a combination that can never happen


def _moved(local: datetime, years: int) -> datetime:
    return local.replace(year=local.year + years)


@lru_cache(maxsize=4096)
def _parsed(rule: str, zone: str) -> Rule:
    return parse_rule(rule, zone)
