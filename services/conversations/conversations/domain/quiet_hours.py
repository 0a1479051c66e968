"""Quiet hours: times of the recipient's day during which no message is sent.

They last from the first time that the recipient's clock shows their begin to the last time that it shows their end: an
hour that comes twice is quiet as a whole.
"""

from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import phonenumbers
from phonenumbers.timezone import time_zones_for_number

from switchboard.runtime.time_zones import find_time_zone, to_instant

ONE_DAY = timedelta(days=1)
SOME_DAY = datetime(2026, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=65_536)
def zone_of(phone: str, otherwise: str) -> ZoneInfo:
    """The likely time zone of a phone number: that of its country or area, else `otherwise`.

    With several candidates: `otherwise` if it is one of them, else the middle one from west to east.
    """
    names = time_zones_for_number(phonenumbers.parse(phone, None))
    given = find_time_zone(otherwise)
    if given is not None and otherwise in names:
        return given
    zones = sorted(
        filter(None, map(find_time_zone, names)), key=lambda zone: (SOME_DAY.astimezone(zone).utcoffset(), zone.key)
    )
    return zones[len(zones) // 2] if zones else given or ZoneInfo("UTC")


def quiet_until(now: datetime, zone: ZoneInfo, begins: time, ends: time) -> datetime | None:
    """The end (UTC) of the quiet hours that `now` is in, else None. They may span midnight; equal times mean none."""
    if begins == ends:
        return None
    today = now.astimezone(zone).date()
    for day in (today - ONE_DAY, today):
        end = datetime.combine(day if begins < ends else day + ONE_DAY, ends)
        if to_instant(datetime.combine(day, begins), zone.key) <= now < (until := to_instant(end, zone.key, last=True)):
            return until
    return None
