"""IANA time zones of the pinned package `tzdata`: which exist, and local times as instants.

`zoneinfo` would read the machine's own database first, which is older or newer on each machine. Importing this module
makes the package the only source of the process.

A local time that a clock change skips means the first instant after the gap. A local time that happens twice means the
first of the two. A later local time therefore never means an earlier instant.
"""

from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones, reset_tzpath

import tzdata  # type: ignore[import-untyped]

reset_tzpath(to=())
ZoneInfo.clear_cache()

TIME_ZONE_RULES: str = tzdata.IANA_VERSION
"""The edition of the time zone database, such as 2026f. A later edition has a greater text."""
NO_PLACES = {"localtime", "Factory"}  # the machine's own zone, and none
SECOND = timedelta(seconds=1)


@cache
def _names() -> frozenset[str]:
    return frozenset(available_timezones() - NO_PLACES)


def is_time_zone(name: str) -> bool:
    return name in _names()


def find_time_zone(name: str) -> ZoneInfo | None:
    return ZoneInfo(name) if is_time_zone(name) else None


def to_local(at: datetime, zone: str) -> datetime:
    """The local time in `zone` at the instant `at`, without zone or fold."""
    return at.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0)


def to_instant(local: datetime, zone: str, *, last: bool = False) -> datetime:
    """The instant, in UTC, that a local time of `zone` means. `last`: of two instants the second."""
    tz = ZoneInfo(zone)
    at = local.replace(tzinfo=tz, fold=1 if last else 0).astimezone(UTC)
    if at.astimezone(tz).replace(tzinfo=None, fold=0) == local:
        return at
    return _end_of_gap(local, tz, local.replace(tzinfo=tz, fold=0).astimezone(UTC))


def _end_of_gap(local: datetime, tz: ZoneInfo, after: datetime) -> datetime:
    """The first whole second at which the local time is `local` or later. `after`: an instant behind the gap."""
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
