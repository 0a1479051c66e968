"""Occurrences of a recurrence: an RFC 5545 rule in the local time of an IANA zone.

Nine in the morning stays nine across a clock change. A local time in a skipped hour occurs at the end of the gap, and
one in an hour that happens twice occurs the first time. Two occurrences at the same instant are one. The first
occurrence is the start itself, even if the rule does not yield it, and counts towards COUNT.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import islice

from scheduler.domain.recurrence.patterns import locals_from
from scheduler.domain.recurrence.rules import Rule, parse_rule
from switchboard.runtime.time_zones import to_instant, to_local

SPANS = (  # growing spans to search backwards, so that a dense rule is read only at its end
    timedelta(minutes=1),
    timedelta(hours=1),
    timedelta(days=1),
    timedelta(days=31),
    timedelta(days=366),
)


@dataclass(frozen=True)
class Recurrence:
    """A series. `rule`: RFC 5545, without `RRULE:`. `start`: the local time of the first occurrence, without zone."""

    rule: str
    zone: str
    start: datetime

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
        found = _counted(rule, start) if rule.count is not None else locals_from(rule, start, max(start, after))
        return (local for local in found if local > after)


def _counted(rule: Rule, start: datetime) -> Iterator[datetime]:
    """Local times up to COUNT, read from the start. The start counts even if the rule does not yield it."""
    assert rule.count is not None
    count = rule.count if next(locals_from(rule, start, start), None) == start else rule.count - 1
    return islice(locals_from(rule, start, start), count)


@lru_cache(maxsize=4096)
def _parsed(rule: str, zone: str) -> Rule:
    return parse_rule(rule, zone)
