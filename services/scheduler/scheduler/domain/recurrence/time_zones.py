"""Local times and instants of an IANA time zone.

A local time that a clock change leaves out stands for the first instant after the gap; one that happens twice
stands for the first of the two. So later local times never stand for earlier instants.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

NO_PLACES = {"localtime", "Factory"}  # the machine's own zone, and none
SECOND = timedelta(seconds=1)


@lru_cache(maxsize=1)
def _names() -> frozenset[str]:
    return frozenset(available_timezones() - NO_PLACES)


def is_zone(name: str) -> bool:
    """Whether this is an IANA time zone that we know."""
    return name in _names()


def to_local(at: datetime, zone: str) -> datetime:
    """What a clock on the wall of `zone` shows at `at`, without zone or fold."""
    return at.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0)


def to_instant(local: datetime, zone: str) -> datetime:
    """The instant, in UTC, for which a local time stands."""
    tz = ZoneInfo(zone)
    at = local.replace(tzinfo=tz, fold=0).astimezone(UTC)
    if at.astimezone(tz).replace(tzinfo=None) == local:
        return at
    return _end_of_gap(local, tz, at)


def _end_of_gap(local: datetime, tz: ZoneInfo, after: datetime) -> datetime:
    """The first whole second at which the wall shows `local` or later. `after` lies behind the gap."""
    before = local.replace(tzinfo=tz, fold=1).astimezone(UTC)
    while after - before > SECOND:
        middle = before + (after - before) // 2
        middle -= timedelta(microseconds=middle.microsecond)
        if middle <= before:
            break
        if middle.astimezone(tz).replace(tzinfo=None) >= local:
            after = middle
        else:
            before = middle
    return after
