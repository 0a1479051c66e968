"""Quiet hours: times of the recipient's day during which no message is sent."""

from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import phonenumbers
from phonenumbers.timezone import time_zones_for_number

from switchboard.runtime.time_zones import find_time_zone

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
    local = now.astimezone(zone)
    clock = local.time().replace(tzinfo=None)
    if begins == ends:
        return None
    quiet = begins <= clock < ends if begins < ends else clock >= begins or clock < ends
    if not quiet:
        return None
    day = local.date() if clock < ends else local.date() + timedelta(days=1)
    return datetime.combine(day, ends, zone).astimezone(UTC)
