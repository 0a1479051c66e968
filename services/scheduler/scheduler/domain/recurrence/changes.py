"""Changes of a running series: what the user did not change stays as it was meant, not as it came out.

A series begins again at its next local time. COUNT counts the whole series, so what has been is spent.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from scheduler.domain.recurrence.calendar_text import read_calendar_text
from scheduler.domain.recurrence.occurrences import Recurrence, check_frequency
from scheduler.domain.recurrence.patterns import locals_from
from scheduler.domain.recurrence.rules import BadRule, Rule, parse_rule
from switchboard.runtime.time_zones import to_instant, to_local

DAY = timedelta(days=1)


def is_same_rule(series: Recurrence, text: str) -> bool:
    """Whether the text means the rule of the series, in whatever order and spelling."""
    try:
        rule = read_calendar_text(text, series.zone, to_instant(series.start, series.zone))
        return parse_rule(rule, series.zone) == parse_rule(series.rule, series.zone)
    except BadRule:
        return False


def moved(series: Recurrence, next_at: datetime, zone: str, at: datetime) -> Recurrence:
    """The series with its next occurrence, now at `next_at`, moved to `at` and the zone `zone`."""
    spent = series.begun_again(next_at).spent
    return replace(series, zone=zone, start=to_local(at, zone), spent=spent)


def with_rule(
    series: Recurrence, next_at: datetime, text: str, zone: str, now: datetime
) -> tuple[Recurrence, datetime]:
    """The series under another rule or in another zone, and its first time after `now`. Raises `BadRule`.

    The time of day stays that of the start. In another zone, the next occurrence keeps its instant.
    """
    again = series.begun_again(next_at)
    base = series.start if zone == series.zone else to_local(_instant_outside_gaps(again), zone)
    rule_text = read_calendar_text(text, zone, to_instant(base, zone))
    rule = parse_rule(rule_text, zone)
    check_frequency(rule)
    _check_count(rule, again.spent)
    since = max(base.replace(microsecond=0), to_local(now, zone))
    for local in locals_from(replace(rule, count=None), base.replace(microsecond=0), since):
        at = to_instant(local, zone)
        if at > now:
            return Recurrence(rule_text, zone, local, again.spent), at
    raise BadRule("never comes true")


def _instant_outside_gaps(series: Recurrence) -> datetime:
    """The instant of the start. In a gap of the clock: a day before the same time of the next day."""
    at = to_instant(series.start, series.zone)
    if to_local(at, series.zone) == series.start:
        return at
    return to_instant(series.start + DAY, series.zone) - DAY


def _check_count(rule: Rule, spent: int) -> None:
    if rule.count is not None and rule.count <= spent:
        raise BadRule(f"COUNT={rule.count} counts the whole series, which has come {spent} times already")
