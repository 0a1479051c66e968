"""The same events for clients without sockets: long polling over the log."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Annotated, Any

import orjson
from aiohttp import web
from pydantic import BaseModel, Field

from realtime.arrivals import Arrivals
from realtime.entries import Entry
from realtime.frames import Frame
from realtime.places import Place, Position
from realtime.rooms import Member
from realtime.sessions import Visitor
from switchboard.runtime.http import Body, Call, Moment, Route, plain

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

    def __init__(self) -> None:
        self.heard = asyncio.Event()

    def push(self, frame: Frame) -> None:
        self.heard.set()

    async def drained(self) -> None:
        return


def routes(arrivals: Arrivals) -> list[Route]:
    """The table."""
    return [
        plain("GET", "/api/v1/events", partial(events, arrivals=arrivals), query=EventsQuery, answer=EventsAnswer,
              summary="Events after a place in the log, or a wait for the next ones"),
    ]  # fmt: skip


async def events(call: Call, arrivals: Arrivals) -> web.Response:
    """What the caller may see after a place. Without `after`: where the log is now."""
    query: EventsQuery = call.query
    who = call.identity
    ear = _Ear()
    member = await arrivals.take_in(Visitor(who.user_id, who.tenant_id, who.session_id, None), ear)
    try:
        position = Position.read(query.after) if query.after else None
        page = await arrivals.page_after(member, position, query.limit)
        if position is None or page is None:
            return _answer([], arrivals.here(member), resumed=False)
        if not _seen_by(member, page) and query.wait:
            arrivals.listen(member)
            fresh = await arrivals.page_after(member, position, query.limit)
            if not _seen_by(member, fresh or []):
                await _wait(ear, query.wait)
                fresh = await arrivals.page_after(member, position, query.limit)
            if fresh is None:
                return _answer([], arrivals.here(member), resumed=False)
            page = fresh
        last = Place.read(page[-1].place) if page else position.place
        return _answer(_seen_by(member, page), Position(position.epoch, last), resumed=True)
    finally:
        arrivals.see_off(member)


async def _wait(ear: _Ear, seconds: int) -> None:
    try:
        async with asyncio.timeout(seconds):
            await ear.heard.wait()
    except TimeoutError:
        return


def _seen_by(member: Member, page: list[Entry]) -> list[Entry]:
    return [entry for entry in page if entry.room in member.rooms]


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
