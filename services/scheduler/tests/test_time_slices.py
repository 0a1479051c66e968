"""Long computations of one tenant give way to everything else in the process."""

import asyncio
from datetime import timedelta
from functools import partial
from uuid import UUID, uuid4

import pytest

from scheduler.api import calendar
from scheduler.api.calendar import Calendar
from scheduler.domain.recurrence.occurrences import Recurrence
from scheduler.domain.schedules import Schedule
from scheduler.workers import firing
from switchboard.runtime.time_slice import TimeSlice

from .virtual_time import NOON, VirtualScheduler


def series(number: int) -> Schedule:
    rule = Recurrence("FREQ=MINUTELY;COUNT=9000", "UTC", NOON.replace(tzinfo=None))
    payload = {"lead_id": str(number), "note": "", "time_zone": "UTC"}
    return Schedule(
        uuid4(), "reminder", "scheduled", NOON, NOON, UUID(int=1), UUID(int=2), recurrence=rule, payload=payload
    )


class Turns:
    """Counts the turns that another task gets."""

    def __init__(self) -> None:
        self.taken = 0

    async def run(self) -> None:
        while True:
            self.taken += 1
            await asyncio.sleep(0)


async def test_the_calendar_gives_way_between_series(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calendar, "TimeSlice", partial(TimeSlice, 0))
    turns = Turns()
    other = asyncio.create_task(turns.run())

    far = NOON + timedelta(days=50 * 366)
    await calendar._expand([series(n) for n in range(40)], far, far + timedelta(days=300), None, limit=201)

    other.cancel()
    assert turns.taken >= 40


async def test_firing_gives_way_between_schedules(scheduler: VirtualScheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(firing, "TimeSlice", partial(TimeSlice, 0))
    turns = Turns()
    async with scheduler.database.connection() as conn:
        other = asyncio.create_task(turns.run())
        settled = await scheduler.firer._settle_all(conn, [series(n) for n in range(40)], NOON)
        other.cancel()

    assert len(settled) == 40
    assert turns.taken >= 40


async def test_one_request_of_a_tenant_expands_series_at_a_time() -> None:
    route, inside = Calendar(), 0

    async def request(tenant: UUID) -> int:
        nonlocal inside
        async with route._turn_of(tenant):
            inside += 1
            await asyncio.sleep(0)
            seen = inside
            inside -= 1
        return seen

    assert await asyncio.gather(*(request(UUID(int=1)) for _ in range(5))) == [1] * 5
    assert max(await asyncio.gather(*(request(UUID(int=n)) for n in range(2, 7)))) == 5
    assert not route._expanding
