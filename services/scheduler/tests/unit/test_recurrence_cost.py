"""What it costs to look into a series far from its start: local times that are read, whatever the rule."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from scheduler.domain.recurrence import occurrences, patterns
from scheduler.domain.recurrence.occurrences import Recurrence

FAR = datetime(2076, 1, 1, tzinfo=UTC)
START = datetime(2026, 5, 4, 9)  # noqa: DTZ001
MINUTES, HOURS = ",".join(map(str, range(60))), ",".join(map(str, range(24)))


class Count:
    """Counts what passes through an iterator."""

    def __init__(self) -> None:
        self.read = 0

    def of(self, values: Iterator[Any]) -> Iterator[Any]:
        for value in values:
            self.read += 1
            yield value


@pytest.fixture
def locals_read(monkeypatch: pytest.MonkeyPatch) -> Count:
    count, real = Count(), patterns.locals_from
    monkeypatch.setattr(occurrences, "locals_from", lambda *given: count.of(real(*given)))
    return count


@pytest.mark.parametrize("rule", ["FREQ=MINUTELY", "FREQ=HOURLY;INTERVAL=3", "FREQ=DAILY;WKST=SU", "FREQ=WEEKLY"])
def test_a_plain_counted_series_is_never_read_from_its_start(rule: str, locals_read: Count) -> None:
    series = Recurrence(f"{rule};COUNT=9998", "Europe/Berlin", START)

    series.next_after(FAR)

    assert locals_read.read <= 1


@pytest.mark.parametrize("rule", ["FREQ=MINUTELY;BYHOUR=9,10", "FREQ=DAILY;BYDAY=MO,WE", "FREQ=MONTHLY", "FREQ=YEARLY"])
def test_any_other_counted_series_is_read_from_its_start_once(rule: str, locals_read: Count) -> None:
    series = Recurrence(f"{rule};COUNT=9999", "Europe/Berlin", START)
    series.next_after(FAR)
    locals_read.read = 0

    series.next_after(FAR)

    assert locals_read.read <= 1


@pytest.mark.parametrize("freq", ["MONTHLY", "YEARLY"])
@pytest.mark.parametrize("position", ["", ";BYSETPOS=1"])
def test_a_dense_series_is_read_near_the_time_asked_for(
    freq: str, position: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    count, real = Count(), patterns._by_dateutil
    monkeypatch.setattr(patterns, "_by_dateutil", lambda *given: count.of(real(*given)))
    rule = f"FREQ={freq};BYDAY=MO,TU,WE,TH,FR;BYHOUR={HOURS};BYMINUTE={MINUTES}{position}"

    found = Recurrence(rule, "Europe/Berlin", START).next_after(FAR)

    assert found is not None
    assert count.read <= 400  # days of a year
