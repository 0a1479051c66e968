"""Recurrences as calendar programs write them: a bare rule, or the lines `DTSTART` and `RRULE` of RFC 5545."""

import re
from datetime import UTC, datetime

from scheduler.domain.recurrence.rules import BadRule
from switchboard.runtime.time_zones import is_time_zone, to_instant, to_local

FOLD = re.compile(r"\r?\n[ \t]")
VALUE = re.compile(r"(\d{8})T(\d{6})(Z?)")
NOT_HERE = {
    "EXDATE": "left-out dates (EXDATE) are not supported: end the series with UNTIL and start another",
    "RDATE": "additional dates (RDATE) are not supported: plan them as reminders of their own",
    "EXRULE": "left-out rules (EXRULE) are not supported",
}


def read_calendar_text(text: str, zone: str, start: datetime) -> str:
    """The rule of a text in upper case, without `RRULE:` and blanks. `start`: the first occurrence, for DTSTART.

    Raises `BadRule` for lines that are not supported, for several rules, and for a DTSTART at another time.
    """
    rules = []
    for line in filter(None, map(str.strip, FOLD.sub("", text).splitlines())):
        name, parameters, value = _split(line)
        if name in NOT_HERE:
            raise BadRule(NOT_HERE[name])
        if name == "DTSTART":
            _check_start(parameters, value, zone, start)
        elif name == "RRULE":
            rules.append(value)
        else:
            raise BadRule(f"{name} is not supported: give one RRULE, and DTSTART at most")
    if len(rules) != 1:
        raise BadRule("has to be one rule" if rules else "holds no RRULE")
    return re.sub(r"\s*([;=,])\s*", r"\1", rules[0])


def _split(line: str) -> tuple[str, str, str]:
    """Name, parameters and value of a line. One without a name is a rule."""
    found = re.match(r"([A-Z-]+)((?:;[^:]*)?):(.*)", line, re.IGNORECASE)
    if found is None or (found[1].upper() == "RRULE" and not found[2]):
        return "RRULE", "", (found[3] if found else line).strip().upper()
    return found[1].upper(), found[2].lstrip(";"), found[3].strip().upper()


def _check_start(parameters: str, value: str, zone: str, start: datetime) -> None:
    named = dict(part.partition("=")[::2] for part in parameters.split(";") if part)
    own_zone = {name.upper(): each for name, each in named.items()}.get("TZID", zone).strip('"')
    found = VALUE.fullmatch(value)
    if found is None:
        raise BadRule(f"DTSTART:{value} is not a time such as 20260504T090000")
    if not is_time_zone(own_zone):
        raise BadRule(f"DTSTART: {own_zone} is not an IANA time zone")
    if own_zone != zone:
        raise BadRule(f"DTSTART is in {own_zone}, the reminder in {zone}")
    try:
        local = datetime.strptime(found[1] + found[2], "%Y%m%d%H%M%S")  # noqa: DTZ007
    except ValueError:
        raise BadRule(f"DTSTART:{value} is not a time") from None
    wanted = start.replace(microsecond=0)
    agrees = local.replace(tzinfo=UTC) == wanted if found[3] else local == to_local(wanted, zone)
    if not agrees and (found[3] or to_instant(local, zone) != wanted):
        raise BadRule("DTSTART is not the time of the first reminder")
