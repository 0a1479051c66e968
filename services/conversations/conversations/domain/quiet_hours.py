"""Quiet hours: times of the recipient's day during which no message is sent.

They last from the first time that the recipient's clock shows their begin to the last time that it shows their end: an
hour that comes twice is quiet as a whole. Where a number may be in several time zones, it is quiet if it is in any.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import phonenumbers
from phonenumbers.timezone import time_zones_for_number

from switchboard.runtime.time_zones import find_time_zone, to_instant

ONE_DAY = timedelta(days=1)


@lru_cache(maxsize=65_536)
def zones_of(phone: str, otherwise: str) -> tuple[ZoneInfo, ...]:
    """The time zones that a phone number may be in: those of its country or area, else `otherwise`, else UTC."""
    found = map(find_time_zone, time_zones_for_number(phonenumbers.parse(phone, None)))
    zones = tuple(zone for zone in found if zone is not None)
    return zones or (find_time_zone(otherwise) or ZoneInfo("UTC"),)


def quiet_until(now: datetime, zones: Sequence[ZoneInfo], begins: time, ends: time) -> datetime | None:
    """The end (UTC) of the quiet hours that `now` is in, in any of the zones, else None.

    They may span midnight; equal times mean none. Zones around the whole world leave no time that is quiet in none of
    them: then the middle one, from west to east, decides.
    """
    if len(zones) > 1 and _never_ends(tuple(zones), now.astimezone(UTC).date(), begins, ends):
        by_offset = sorted(zones, key=lambda zone: (now.astimezone(zone).utcoffset(), zone.key))
        zones = [by_offset[len(by_offset) // 2]]
    return max((until for zone in zones if (until := _quiet_until(now, zone, begins, ends)) is not None), default=None)


@lru_cache(maxsize=1024)
def _never_ends(zones: tuple[ZoneInfo, ...], day: date, begins: time, ends: time) -> bool:
    """Whether it is quiet in some zone at each quarter of an hour from that day to the next."""
    start = datetime.combine(day, time(), UTC)
    quarters = (start + n * timedelta(minutes=15) for n in range(2 * 96))
    return all(any(_quiet_until(at, zone, begins, ends) for zone in zones) for at in quarters)


def _quiet_until(now: datetime, zone: ZoneInfo, begins: time, ends: time) -> datetime | None:
    if begins == ends:
        return None
    today = now.astimezone(zone).date()
    for day in (today - ONE_DAY, today):
        end = datetime.combine(day if begins < ends else day + ONE_DAY, ends)
        if to_instant(datetime.combine(day, begins), zone.key) <= now < (until := to_instant(end, zone.key, last=True)):
            return until
    return None
