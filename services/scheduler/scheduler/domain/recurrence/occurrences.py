"""Occurrences of a recurrence: an RFC 5545 rule in the local time of an IANA zone.

Nine in the morning stays nine across a clock change. A local time in a skipped hour occurs at the end of the gap, and
one in an hour that happens twice occurs the first time. Two occurrences at the same instant are one. The first
occurrence is the start itself, even if the rule does not yield it, and counts towards COUNT.

COUNT is turned into the last local time, by arithmetic where the rule is plain and by reading it once where it is not:
no later look reads a series from its start.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import chain, islice, takewhile

from scheduler.domain.recurrence.patterns import FOREVER, locals_from, nth_of_plain
from scheduler.domain.recurrence.rules import BadRule, Rule, parse_rule
from switchboard.runtime.time_zones import SECOND, to_instant, to_local

MOST_SHIFTED = timedelta(hours=26)  # of one local time, between two editions of the zone rules
LAST_YEAR = 2300  # of a count's end: no plan is made for later
SPANS = (  # growing spans to search backwards, so that a dense rule is read only at its end
    timedelta(minutes=1),
    timedelta(hours=1),
    timedelta(days=1),
    timedelta(days=31),
    timedelta(days=366),
)


@dataclass(frozen=True)
class Recurrence:
    """A series. `rule`: RFC 5545, without `RRULE:`. `start`: the local time of the first occurrence, without zone.

    `spent`: occurrences of COUNT before `start`, where a change made the series begin again.
    """

    rule: str
    zone: str
    start: datetime
    spent: int = 0

    def next_after(self, after: datetime) -> datetime | None:
        """The first occurrence later than `after`, if there is one. `after`: not before the start."""
        return next(self.following(after), None)

    def following(self, after: datetime) -> Iterator[datetime]:
        """All occurrences later than `after`, in order, each instant once."""
        last = after
        for local in self._locals_after(to_local(after, self.zone)):
            at = to_instant(local, self.zone)
            if at > last:
                yield at
                last = at

    def latest(self, since: datetime, now: datetime) -> datetime:
        """The last occurrence up to `now`. `since`: an earlier occurrence."""
        for span in SPANS:
            if now - span <= since:
                break
            found = self._last_between(now - span, now)
            if found is not None:
                return found
        return self._last_between(since, now) or since

    def local_near(self, at: datetime) -> datetime:
        """The local time of the occurrence that is meant by the instant `at`, under this or earlier zone rules."""
        near: list[tuple[timedelta, datetime]] = []
        for margin in (SECOND, MOST_SHIFTED):
            for local in self._locals_after(to_local(at - margin, self.zone)):
                meant = to_instant(local, self.zone)
                near.append((abs(meant - at), local))
                if meant > at - SECOND:
                    break
            if near and min(near)[0] < SECOND:
                break
        return min(near, default=(timedelta(), to_local(at, self.zone)))[1]

    def begun_again(self, at: datetime) -> "Recurrence":
        """The series with the occurrence at `at` as its start, and with those before it as spent."""
        start = self.local_near(at)
        if _parsed(self.rule, self.zone).count is None:
            return replace(self, start=start)
        before = takewhile(lambda local: local < start, self._locals_after(self.start - SECOND))
        return replace(self, start=start, spent=self.spent + sum(1 for _ in before))

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
        found = _from_start(rule, start) if after < start else locals_from(rule, start, after)
        if rule.count is not None:
            last = _last_local(self.rule, self.zone, start, self.spent)
            found = takewhile(lambda local: local <= last, found)
        return (local for local in found if local > after)


def check_frequency(rule: Rule) -> None:
    """Raises `BadRule` for a rule that comes more often than once a minute."""
    if rule.is_too_frequent:
        raise BadRule("comes more often than once a minute")


def check_rule(rule: Rule, start: datetime) -> None:
    """Raises `BadRule` for a rule that comes too often, ends before its start, or matches no time at all.

    The start itself counts: one Monday, from a Tuesday, is that Tuesday.
    """
    check_frequency(rule)
    start = start.replace(microsecond=0)
    endless = replace(rule, until=None, count=None)
    if (rule.until is not None and rule.until < start) or next(locals_from(endless, start, start), None) is None:
        raise BadRule("never comes true")


def _from_start(rule: Rule, start: datetime) -> Iterator[datetime]:
    """The local times from the start on, which counts even if the rule does not yield it."""
    found = locals_from(rule, start, start)
    first = next(found, None)
    return chain([start], () if first in (start, None) else [first], found)


@lru_cache(maxsize=4096)
def _last_local(rule: str, zone: str, start: datetime, spent: int) -> datetime:
    """The last local time of a rule with COUNT, or `FOREVER` if it comes after `LAST_YEAR`."""
    parsed = _parsed(rule, zone)
    assert parsed.count is not None
    count = max(parsed.count - spent, 1)
    if parsed.is_plain:
        return nth_of_plain(parsed, start, count)
    found = takewhile(lambda local: local.year <= LAST_YEAR, _from_start(parsed, start))
    return next(islice(found, count - 1, None), FOREVER)


@lru_cache(maxsize=4096)
def _parsed(rule: str, zone: str) -> Rule:
    return parse_rule(rule, zone)
