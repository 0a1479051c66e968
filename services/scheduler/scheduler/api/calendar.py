"""`/schedule`: all that is due in a window, of every kind, series unrolled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime, timedelta
from heapq import merge
from itertools import chain, islice, takewhile
from typing import Annotated, Any
from uuid import UUID

import asyncpg
from pydantic import BaseModel, ConfigDict, Field

from scheduler.actions.planning import sees
from scheduler.domain.kinds import call, campaign, reminder, trial
from scheduler.domain.schedules import Schedule
from scheduler.store import schedules
from scheduler.store.schedules import Window
from switchboard.http.identity import Role
from switchboard.http.paging import Page, PageQuery, decode_cursor, page
from switchboard.http.parsing import Moment
from switchboard.http.routing import ReadRoute, Request, Route
from switchboard.runtime.refusals import Forbidden, Invalid

LONGEST = timedelta(days=366)
MOST_SERIES = 10_000  # of one user: all of them are begun for each page
FAIR_SHARE = 50
TITLES = {reminder.KIND: "note", call.KIND: "contact_phone", campaign.KIND: "name"}


class WindowQuery(PageQuery):
    """From `from`, inclusive, to `to`, exclusive; at most 366 days."""

    model_config = ConfigDict(populate_by_name=True)

    from_: Moment = Field(alias="from")
    to: Moment
    user_id: UUID | None = None


class DueAnswer(BaseModel):
    """One occurrence. `id` is that of the reminder, call or campaign."""

    id: UUID
    kind: str
    at: datetime
    status: str
    title: Annotated[str, Field(max_length=200)]
    user_id: UUID | None
    recurring: bool


def window_routes() -> list[Route]:
    return [ReadRoute("GET", "/api/v1/schedule", list_window, query=WindowQuery, answer=Page[DueAnswer])]


async def list_window(request: Request, conn: asyncpg.Connection) -> Page[DueAnswer]:
    """All that is due in a window: my reminders and calls, the tenant's campaigns and, for admins, its trial."""
    query, caller = request.query, request.identity
    since, until = _ends(query.from_, query.to)
    user_id = query.user_id or caller.user_id
    if not sees(caller, user_id):
        raise Forbidden("only an admin sees others' schedules")
    tenants = [campaign.KIND, trial.KIND] if caller.role >= Role.ADMIN else [campaign.KIND]
    after = decode_cursor(query.cursor, datetime, UUID) if query.cursor else None
    begin = since if after is None else max(since, after[0])
    window = Window(caller.tenant_id, user_id, [reminder.KIND, call.KIND], tenants, begin, until)
    beyond = after[1] if after is not None and after[0] == begin else None
    found = await schedules.list_single(conn, window, beyond=beyond, limit=query.limit + 1)
    series = await schedules.list_series(conn, window, limit=MOST_SERIES + 1)
    if len(series) > MOST_SERIES:
        raise Invalid.field(f"takes in more than {MOST_SERIES} series", "query", "to")
    due = merge(*[each async for each in _begun([*found, *series], since, until, after)], key=_place)
    shown, cursor = page(list(islice(due, query.limit + 1)), query.limit, _place)
    return Page(items=[_answer(at, each) for at, each in shown], next_cursor=cursor)


def _ends(since: datetime, until: datetime) -> tuple[datetime, datetime]:
    if not since < until:
        raise Invalid.field("has to be later than from", "query", "to")
    if until - since > LONGEST:
        raise Invalid.field(f"has to be within {LONGEST.days} days of from", "query", "to")
    return since, until


def _occurrences(
    each: Schedule, since: datetime, until: datetime, after: tuple[Any, ...] | None
) -> Iterator[tuple[datetime, Schedule]]:
    """Those within the window, in order, later than `after`: a dense series is unrolled only as far as it is read."""
    begin = since if after is None else max(since, after[0])
    for at in takewhile(lambda at: at < until, each.occurrences_from(begin)):
        if after is None or (at, each.id) > after:
            yield at, each


async def _begun(
    found: Sequence[Schedule], since: datetime, until: datetime, after: tuple[Any, ...] | None
) -> AsyncIterator[Iterator[tuple[datetime, Schedule]]]:
    """Those that have anything in the window. Thousands of series take a while to begin: others get their turn."""
    for number, each in enumerate(found):
        occurrences = _occurrences(each, since, until, after)
        if (first := next(occurrences, None)) is not None:
            yield chain([first], occurrences)
        if number % FAIR_SHARE == 0:
            await asyncio.sleep(0)


def _place(due: tuple[datetime, Schedule]) -> tuple[datetime, UUID]:
    return due[0], due[1].id


def _answer(at: datetime, each: Schedule) -> DueAnswer:
    title = str(each.payload.get(TITLES.get(each.kind, ""), ""))[:200]
    return DueAnswer(
        id=each.id,
        kind=each.kind,
        at=at,
        status=each.status,
        title=title,
        user_id=each.user_id,
        recurring=each.recurrence is not None,
    )
