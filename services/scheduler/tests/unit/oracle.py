"""An independent implementation of recurrences: it checks each local minute of a span against the rule.

Written from RFC 5545 alone and sharing nothing with the code under test: no dateutil, no arithmetic on series, and
instants from a list of the zone's clock changes.
"""

from bisect import bisect_right
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Parts:
    """The parts of a rule."""

    freq: str
    interval: int = 1
    byday: tuple[tuple[int, int], ...] = ()  # (number or 0, weekday)
    bymonthday: tuple[int, ...] = ()
    bymonth: tuple[int, ...] = ()
    byhour: tuple[int, ...] = ()
    byminute: tuple[int, ...] = ()

    def text(self) -> str:
        """As RFC 5545 writes it."""
        lists = {
            "BYDAY": [f"{number or ''}{DAYS[day]}" for number, day in self.byday],
            "BYMONTHDAY": self.bymonthday,
            "BYMONTH": self.bymonth,
            "BYHOUR": self.byhour,
            "BYMINUTE": self.byminute,
        }
        written = [f"{name}={','.join(map(str, values))}" for name, values in lists.items() if values]
        return ";".join([f"FREQ={self.freq}", f"INTERVAL={self.interval}", *written])


def occurrences(parts: Parts, start: datetime, zone: str, after: datetime, until: datetime) -> list[datetime]:
    """All instants later than `after` and up to `until`; `start` is local."""
    changes = _changes(zone, after.year - 1, until.year + 1)
    found = {_instant(local, zone, changes) for local in _locals(parts, start, after, until)}
    return sorted(at for at in found if after < at <= until)


def _locals(parts: Parts, start: datetime, after: datetime, until: datetime) -> list[datetime]:
    first = max(start.date(), after.date() - 2 * DAY)
    last = until.date() + 2 * DAY
    days = [first + DAY * n for n in range((last - first).days + 1)]
    return [local for day in days if _day_is_meant(parts, start, day) for local in _times(parts, start, day)]


def _times(parts: Parts, start: datetime, day: date) -> list[datetime]:
    hourly = parts.freq == "HOURLY"
    hours = parts.byhour or (range(24) if hourly else (start.hour,))
    minutes = parts.byminute or (start.minute,)
    times = [
        datetime(day.year, day.month, day.day, hour, minute, start.second)  # noqa: DTZ001
        for hour in hours
        for minute in minutes
    ]
    return [at for at in times if at >= start and (not hourly or _hours(start, at) % parts.interval == 0)]


def _hours(start: datetime, at: datetime) -> int:
    return int((at.replace(minute=0, second=0) - start.replace(minute=0, second=0)) / timedelta(hours=1))


def _day_is_meant(parts: Parts, start: datetime, day: date) -> bool:
    if parts.bymonth and day.month not in parts.bymonth:
        return False
    begin = start.date()
    match parts.freq:
        case "HOURLY":
            return _limits(parts, day)
        case "DAILY":
            return (day - begin).days % parts.interval == 0 and _limits(parts, day)
        case "WEEKLY":
            weeks = (_monday(day) - _monday(begin)).days // 7
            days = [weekday for _, weekday in parts.byday] or [begin.weekday()]
            return weeks % parts.interval == 0 and day.weekday() in days
        case "MONTHLY":
            months = (day.year - begin.year) * 12 + day.month - begin.month
            named = parts.byday or parts.bymonthday
            return months % parts.interval == 0 and (_limits(parts, day) if named else day.day == begin.day)
        case _:
            return (day.year - begin.year) % parts.interval == 0 and _in_year(parts, begin, day)


def _in_year(parts: Parts, begin: date, day: date) -> bool:
    if parts.byday or parts.bymonthday:
        return _limits(parts, day)
    return day.day == begin.day and (bool(parts.bymonth) or day.month == begin.month)


def _limits(parts: Parts, day: date) -> bool:
    length = monthrange(day.year, day.month)[1]
    if parts.bymonthday and day.day not in [n if n > 0 else length + 1 + n for n in parts.bymonthday]:
        return False
    return not parts.byday or any(_is_numbered(day, length, number, weekday) for number, weekday in parts.byday)


def _is_numbered(day: date, length: int, number: int, weekday: int) -> bool:
    if day.weekday() != weekday:
        return False
    from_front, from_back = (day.day - 1) // 7 + 1, (length - day.day) // 7 + 1
    return number == 0 or number in (from_front, -from_back)


def _monday(day: date) -> date:
    return day - day.weekday() * DAY


def _instant(local: datetime, zone: str, changes: list[datetime]) -> datetime:
    """The earliest instant with the local time `local`, else that of the clock change which skips it."""
    tz = ZoneInfo(zone)
    around = local.replace(tzinfo=UTC)
    near = changes[max(bisect_right(changes, around - 2 * DAY) - 1, 0) : bisect_right(changes, around + 2 * DAY)]
    moments = [around - 2 * DAY, *near]
    offsets = {moment.astimezone(tz).utcoffset() or timedelta() for moment in moments}
    shown = [around - offset for offset in offsets if _wall(around - offset, tz) == local]
    if shown:
        return min(shown)
    return next(at for at in near if _wall(at - timedelta(seconds=1), tz) < local < _wall(at, tz))


def _wall(at: datetime, tz: ZoneInfo) -> datetime:
    return at.astimezone(tz).replace(tzinfo=None, fold=0)


@lru_cache(maxsize=256)
def _changes(zone: str, first: int, last: int) -> list[datetime]:
    """Every instant within those years at which the offset changes, to the second."""
    tz = ZoneInfo(zone)
    found = []
    at, end, step = datetime(first, 1, 1, tzinfo=UTC), datetime(last + 1, 1, 1, tzinfo=UTC), timedelta(days=1)
    while at < end:
        if at.astimezone(tz).utcoffset() != (at + step).astimezone(tz).utcoffset():
            found.append(_exactly(at, at + step, tz))
        at += step
    return found


def _exactly(low: datetime, high: datetime, tz: ZoneInfo) -> datetime:
    before = low.astimezone(tz).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=int((high - low).total_seconds()) // 2)
        low, high = (middle, high) if middle.astimezone(tz).utcoffset() == before else (low, middle)
    return high
