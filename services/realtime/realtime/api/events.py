"""The same events for clients without sockets: long polling over the log."""

from __future__ import annotations

import asyncio
from functools import partial
from time import monotonic
from typing import Annotated, Any

import orjson
from aiohttp import web
from pydantic import BaseModel, Field

from realtime.adapters.session_lookup import visitor_of
from realtime.fanout.catch_up import PAGE, Arrivals
from realtime.fanout.frames import Frame
from realtime.fanout.rooms import Member
from realtime.log.entries import Entry
from realtime.log.stream_ids import Place, Position
from switchboard.http import Body, Moment, PlainRoute, Request, Route

LONGEST_WAIT = 25


class EventsQuery(Body):
    """Which events. `after`: an `event_id`; `wait`: seconds to wait for one when there is none yet."""

    after: Annotated[str, Field(max_length=100)] | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = 200
    wait: Annotated[int, Field(ge=0, le=LONGEST_WAIT)] = 0


class EventAnswer(BaseModel):
    """An event, and its place in the log."""

    type: str
    id: str
    event_id: str
    time: Moment
    data: dict[str, Any]


class EventsAnswer(BaseModel):
    """The next events. `resumed: false`: those after `after` are gone, reload; go on from `last_event_id`."""

    items: list[EventAnswer]
    last_event_id: str
    resumed: bool


class _Ear:
    """In place of a socket: hears that something came, and not what."""

    crowded = False

    def __init__(self) -> None:
        self.heard = asyncio.Event()

    def push(self, _frame: Frame) -> None:
        self.heard.set()

    async def drained(self) -> None:
        return


def routes(arrivals: Arrivals) -> list[Route]:
    """The table."""
    return [
        PlainRoute("GET", "/api/v1/events", partial(events, arrivals=arrivals), query=EventsQuery, answer=EventsAnswer,
              summary="Events after a place in the log, or a wait for the next ones"),
    ]  # fmt: skip


async def events(request: Request, arrivals: Arrivals) -> web.Response:
    """What the caller may see after a place. Without `after`: where the log is now."""
    query: EventsQuery = request.query
    ear = _Ear()
    member = await arrivals.take_in(visitor_of(request.identity), ear)
    try:
        position = Position.read(query.after) if query.after else None
        if position is None:
            return _answer([], arrivals.here(member), resumed=False)
        seen, last = await _look(arrivals, member, position, query.limit)
        if not seen and last is not None and query.wait:
            arrivals.listen(member)
            until = monotonic() + query.wait
            seen, last = await _look(arrivals, member, last, query.limit)
            while not seen and last is not None and not member.leaving and await _wait(ear, until - monotonic()):
                seen, last = await _look(arrivals, member, last, query.limit)
        return _answer([], arrivals.here(member), resumed=False) if last is None else _answer(seen, last, resumed=True)
    finally:
        arrivals.see_off(member)


async def _look(arrivals: Arrivals, member: Member, after: Position, limit: int) -> tuple[list[Entry], Position | None]:
    """The next entries that the member may see, and how far that is; no place when `after` is out of reach."""
    while True:
        page = await arrivals.page_after(member, after, PAGE)
        if page is None:
            return [], None
        seen = [entry for entry in page if entry.room in member.rooms][:limit]
        if len(seen) == limit:
            page = page[: page.index(seen[-1]) + 1]
        if page:
            after = Position(after.epoch, Place.read(page[-1].place))
        if seen or len(page) < PAGE:
            return seen, after


async def _wait(ear: _Ear, seconds: float) -> bool:
    """Whether something was heard in time."""
    try:
        async with asyncio.timeout(max(0.0, seconds)):
            await ear.heard.wait()
    except TimeoutError:
        return False
    ear.heard.clear()
    return True


def _answer(entries: list[Entry], last: Position, *, resumed: bool) -> web.Response:
    items = [
        {
            "type": entry.type.decode(),
            "id": entry.id.decode(),
            "event_id": f"{last.epoch}-{entry.place.decode()}",
            "time": entry.time.decode(),
            "data": orjson.Fragment(entry.data),
        }
        for entry in entries
    ]
    body = orjson.dumps({"items": items, "last_event_id": str(last), "resumed": resumed})
    return web.Response(body=body, content_type="application/json", headers={"Cache-Control": "no-store"})
