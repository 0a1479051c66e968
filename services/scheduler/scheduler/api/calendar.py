"""The calendar, `/schedule`: all occurrences in a range of time, of every kind, with series expanded.

Series are expanded in time slices, and one request of a tenant at a time: a tenant with thousands of them delays
neither the other tenants nor the renewal of the firing lease.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import merge
from itertools import chain, takewhile
from typing import Annotated, Any
from uuid import UUID
from weakref import WeakValueDictionary

import asyncpg
from pydantic import BaseModel, ConfigDict, Field

from scheduler.api.owned import listed_user
from scheduler.domain.kinds import call, campaign, reminder, trial
from scheduler.domain.schedules import Schedule
from scheduler.store import calendar
from scheduler.store.calendar import CalendarRange
from switchboard.http import Moment, Page, PageQuery, ReadRoute, Request, Route, decode_cursor, page
from switchboard.http.identity import Role
from switchboard.runtime.refusals import Invalid
from switchboard.runtime.time_slice import TimeSlice

LONGEST = timedelta(days=366)
MOST_SERIES = 10_000  # of one user: each page starts all of them
TITLES = {reminder.KIND: "note", call.KIND: "contact_phone", campaign.KIND: "name"}

Due = tuple[datetime, Schedule]
Position = tuple[Any, ...]  # time and id


class CalendarQuery(PageQuery):
    """From `from`, inclusive, to `to`, exclusive; at most 366 days."""

    model_config = ConfigDict(populate_by_name=True)

    from_: Moment = Field(alias="from")
    to: Moment
    user_id: UUID | None = None


class DueAnswer(BaseModel):
    """One occurrence. `id`: of the reminder, call or campaign."""

    id: UUID
    kind: str
    at: datetime
    status: str
    title: Annotated[str, Field(max_length=200)]
    user_id: UUID | None
    recurring: bool

    @classmethod
    def of(cls, at: datetime, schedule: Schedule) -> "DueAnswer":
        return cls(
            id=schedule.id,
            kind=schedule.kind,
            at=at,
            status=schedule.status,
            title=str(schedule.payload.get(TITLES.get(schedule.kind, ""), ""))[:200],
            user_id=schedule.user_id,
            recurring=schedule.recurrence is not None,
        )


@dataclass(frozen=True)
class Calendar:
    """The route of the calendar."""

    _expanding: WeakValueDictionary[UUID, asyncio.Lock] = field(default_factory=WeakValueDictionary)

    def routes(self) -> list[Route]:
        return [ReadRoute("GET", "/api/v1/schedule", self.list, query=CalendarQuery, answer=Page[DueAnswer])]

    async def list(self, request: Request, conn: asyncpg.Connection) -> Page[DueAnswer]:
        """List all occurrences in a range of time: a user's reminders and calls, the tenant's campaigns and trial."""
        query, caller = request.query, request.identity
        _check_range(query.from_, query.to)
        user_id = listed_user(caller, query.user_id, "schedules")
        tenants = [campaign.KIND, trial.KIND] if caller.role >= Role.ADMIN else [campaign.KIND]
        after: Position | None = decode_cursor(query.cursor, datetime, UUID) if query.cursor else None
        begin = query.from_ if after is None else max(query.from_, after[0])
        span = CalendarRange(caller.tenant_id, user_id, [reminder.KIND, call.KIND], tenants, begin, query.to)
        beyond = after[1] if after is not None and after[0] == begin else None
        found = await calendar.list_single(conn, span, beyond=beyond, limit=query.limit + 1)
        series = await calendar.list_series(conn, span, limit=MOST_SERIES + 1)
        if len(series) > MOST_SERIES:
            raise Invalid.field(f"takes in more than {MOST_SERIES} series", "query", "to")
        async with self._turn_of(caller.tenant_id):
            due = await _expand([*found, *series], begin, query.to, after, limit=query.limit + 1)
        shown, cursor = page(due, query.limit, _position)
        return Page(items=[DueAnswer.of(at, each) for at, each in shown], next_cursor=cursor)

    @asynccontextmanager
    async def _turn_of(self, tenant_id: UUID) -> AsyncIterator[None]:
        """Wait until no other request of the tenant expands series in this process."""
        lock = self._expanding.setdefault(tenant_id, asyncio.Lock())
        async with lock:
            yield


def _check_range(since: datetime, until: datetime) -> None:
    if not since < until:
        raise Invalid.field("has to be later than from", "query", "to")
    if until - since > LONGEST:
        raise Invalid.field(f"has to be within {LONGEST.days} days of from", "query", "to")


async def _expand(
    found: Sequence[Schedule], begin: datetime, until: datetime, after: Position | None, *, limit: int
) -> list[Due]:
    """The first `limit` occurrences of all schedules. Starting thousands of series takes a while, in time slices."""
    share = TimeSlice()
    started: list[Iterator[Due]] = []
    for each in found:
        occurrences = _occurrences(each, begin, until, after)
        if (first := next(occurrences, None)) is not None:
            started.append(chain([first], occurrences))
        await share.give_way()
    due: list[Due] = []
    for each_due in merge(*started, key=_position):
        due.append(each_due)
        if len(due) == limit:
            break
        await share.give_way()
    return due


def _occurrences(each: Schedule, begin: datetime, until: datetime, after: Position | None) -> Iterator[Due]:
    """Occurrences in the range, in order, later than `after`. A series is expanded only as far as it is read."""
    for at in takewhile(lambda at: at < until, each.occurrences_from(begin)):
        if after is None or (at, each.id) > after:
            yield at, each


def _position(due: Due) -> Position:
    return due[0], due[1].id
