"""Recurrence rules: parses one of RFC 5545 (section 3.3.10)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from dateutil.rrule import DAILY, HOURLY, MINUTELY, MONTHLY, SECONDLY, WEEKLY, YEARLY, weekday

from switchboard.runtime.time_zones import to_local

Freq = Literal[0, 1, 2, 3, 4, 5, 6]

FREQUENCIES: dict[str, Freq] = {
    "SECONDLY": SECONDLY,
    "MINUTELY": MINUTELY,
    "HOURLY": HOURLY,
    "DAILY": DAILY,
    "WEEKLY": WEEKLY,
    "MONTHLY": MONTHLY,
    "YEARLY": YEARLY,
}
DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
DAY = re.compile(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)")
MOMENT = re.compile(r"(\d{8})(T(\d{6})(Z)?)?")

# name -> (dateutil's name, smallest, largest, negatives too)
NUMBERS = {
    "BYSECOND": ("bysecond", 0, 59, False),
    "BYMINUTE": ("byminute", 0, 59, False),
    "BYHOUR": ("byhour", 0, 23, False),
    "BYMONTHDAY": ("bymonthday", 1, 31, True),
    "BYYEARDAY": ("byyearday", 1, 366, True),
    "BYWEEKNO": ("byweekno", 1, 53, True),
    "BYMONTH": ("bymonth", 1, 12, False),
    "BYSETPOS": ("bysetpos", 1, 366, True),
}
LONGEST = 500  # characters
MOST = 10_000  # of COUNT: a counted rule is read from its start
WIDEST = 100_000  # of INTERVAL


class BadRule(ValueError):
    """The recurrence rule is not accepted. The text says why."""


@dataclass(frozen=True)
class Rule:
    """A parsed rule. `until`: local, without zone. `by`: the BY parts under dateutil's names."""

    freq: Freq
    interval: int
    count: int | None
    until: datetime | None
    by: dict[str, Any]

    @property
    def is_too_frequent(self) -> bool:
        """Whether two occurrences may be less than a minute apart."""
        return self.freq == SECONDLY or len(set(self.by.get("bysecond", ()))) > 1

    @property
    def is_plain(self) -> bool:
        """Whether each occurrence is one interval, of always the same length, after the one before."""
        return self.freq not in (MONTHLY, YEARLY) and not self.by.keys() - {"wkst"}


def normalised(text: str) -> str:
    """The rule in upper case, without `RRULE:`."""
    return text.strip().upper().removeprefix("RRULE:")


def parse_rule(text: str, zone: str) -> Rule:
    """Parse a rule. `zone`: the time zone of its UNTIL. Raises `BadRule`."""
    parts = _parts(normalised(text))
    if "FREQ" not in parts or parts["FREQ"] not in FREQUENCIES:
        raise BadRule(f"FREQ has to be one of {', '.join(FREQUENCIES)}")
    if "COUNT" in parts and "UNTIL" in parts:
        raise BadRule("COUNT and UNTIL exclude each other")
    freq = FREQUENCIES[parts.pop("FREQ")]
    _check_combination(freq, parts)
    most = 53 if freq == YEARLY and "BYMONTH" not in parts else 5  # weeks that a day's number counts through
    return Rule(
        freq=freq,
        interval=_number("INTERVAL", parts.pop("INTERVAL", "1"), 1, WIDEST),
        count=_number("COUNT", parts.pop("COUNT"), 1, MOST) if "COUNT" in parts else None,
        until=_until(parts.pop("UNTIL"), zone) if "UNTIL" in parts else None,
        by=dict(_by(name, value, most) for name, value in parts.items()),
    )


def _parts(text: str) -> dict[str, str]:
    if len(text) > LONGEST:
        raise BadRule(f"longer than {LONGEST} characters")
    parts: dict[str, str] = {}
    for part in text.rstrip(";").split(";"):
        name, sign, value = part.partition("=")
        if not sign or not value:
            raise BadRule(f"{part!r} is not NAME=VALUE")
        if name in parts:
            raise BadRule(f"{name} is given twice")
        parts[name] = value
    return parts


def _by(name: str, value: str, most: int) -> tuple[str, Any]:
    if name == "WKST":
        if value not in DAYS:
            raise BadRule(f"WKST={value} is not a day")
        return "wkst", DAYS.index(value)
    if name == "BYDAY":
        return "byweekday", _days(value, most)
    if name not in NUMBERS:
        raise BadRule(f"{name} is not a part of a recurrence rule")
    own_name, low, high, signed = NUMBERS[name]
    return own_name, tuple(_number(name, each, low, high, signed=signed) for each in value.split(","))


def _days(text: str, most: int) -> tuple[weekday, ...]:
    """A mix of `MO` and `2TU` means either. dateutil would require both, so `MO` becomes a list of numbered days."""
    days = [_day(day, most) for day in text.split(",")]
    if not any(day.n for day in days):
        return tuple(days)
    return tuple(each for day in days for each in ([day] if day.n else [day(n) for n in range(1, most + 1)]))


def _day(text: str, most: int) -> weekday:
    found = DAY.fullmatch(text)
    if found is None or (found[1] is not None and not 1 <= abs(int(found[1])) <= most):
        raise BadRule(f"BYDAY={text} is not a day")
    return weekday(DAYS.index(found[2]), int(found[1]) if found[1] else None)


def _number(name: str, text: str, low: int, high: int, *, signed: bool = False) -> int:
    if not re.fullmatch(r"[+-]?\d{1,6}" if signed else r"\d{1,6}", text):
        raise BadRule(f"{name}={text} is no number within {low} and {high}")
    number = int(text)
    if not low <= abs(number) <= high:
        raise BadRule(f"{name}={text} is not within {low} and {high}")
    return number


def _until(text: str, zone: str) -> datetime:
    """UNTIL as a local time. It is given in UTC (`Z`), in local time, or as a date, which includes the whole day."""
    found = MOMENT.fullmatch(text)
    try:
        if found is None:
            raise ValueError
        at = datetime.strptime(found[1] + (found[3] or "235959"), "%Y%m%d%H%M%S")  # noqa: DTZ007
        return to_local(at.replace(tzinfo=UTC), zone) if found[4] else at
    except (ValueError, OverflowError):
        raise BadRule(f"UNTIL={text} is not a time") from None


def _check_combination(freq: Freq, parts: Mapping[str, str]) -> None:
    """Raises `BadRule` for combinations that RFC 5545 excludes."""
    if freq not in (MONTHLY, YEARLY) and re.search(r"\d", parts.get("BYDAY", "")):
        raise BadRule("numbered days need FREQ=MONTHLY or YEARLY")
    if freq == YEARLY and "BYWEEKNO" in parts and re.search(r"\d", parts.get("BYDAY", "")):
        raise BadRule("numbered days exclude BYWEEKNO")
    if freq != YEARLY and "BYWEEKNO" in parts:
        raise BadRule("BYWEEKNO needs FREQ=YEARLY")
    if freq in (DAILY, WEEKLY, MONTHLY) and "BYYEARDAY" in parts:
        raise BadRule("BYYEARDAY excludes FREQ=DAILY, WEEKLY and MONTHLY")
    if freq == WEEKLY and "BYMONTHDAY" in parts:
        raise BadRule("BYMONTHDAY excludes FREQ=WEEKLY")
    if "BYSETPOS" in parts and freq in (HOURLY, MINUTELY, SECONDLY):
        raise BadRule("BYSETPOS needs FREQ=DAILY or longer")
    if "BYSETPOS" in parts and not any(name.startswith("BY") and name != "BYSETPOS" for name in parts):
        raise BadRule("BYSETPOS needs another BY part")
