"""Recurrences: RFC 5545 rules, meant in the local time of an IANA zone.

Nine in the morning stays nine across a clock change. What falls into an hour that doesn't exist happens when
that gap ends; what falls into an hour that exists twice happens in the first of the two. Where both rules put
two occurrences on one instant, there is one. The first occurrence is the start itself, whether the rule would
yield it or not, and counts towards COUNT.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import islice

from scheduler.domain.recurrence.patterns import locals_from
from scheduler.domain.recurrence.rules import Rule, parse_rule
from switchboard.runtime.time_zones import to_instant, to_local

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
        found = _counted(rule, start) if rule.count is not None else locals_from(rule, start, max(start, after))
        return (local for local in found if local > after)


def _counted(rule: Rule, start: datetime) -> Iterator[datetime]:
    """Walked through from the start, which is counted whether the rule would yield it or not."""
    assert rule.count is not None
    count = rule.count if next(locals_from(rule, start, start), None) == start else rule.count - 1
    return islice(locals_from(rule, start, start), count)


@lru_cache(maxsize=4096)
def _parsed(rule: str, zone: str) -> Rule:
    return parse_rule(rule, zone)
