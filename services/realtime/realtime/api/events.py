"""Long polling: the same events for clients without sockets."""

import asyncio
from dataclasses import dataclass
from time import monotonic
from typing import Annotated, Any

import orjson
from aiohttp import web
from pydantic import BaseModel, Field

from realtime.adapters.session_lookup import SocketSession
from realtime.fanout import CatchUp
from realtime.fanout.frames import Frame
from realtime.fanout.rooms import RoomMember
from realtime.log.cursors import Cursor
from switchboard.event_log import StoredEntry
from switchboard.http import Body, Moment, PlainRoute, Request, Route

MAX_WAIT_SECONDS = 25


class EventsQuery(Body):
    """Which events. `after`: an `event_id`; `wait`: how many seconds to wait when there are none yet."""

    after: Annotated[str, Field(max_length=100)] | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = 200
    wait: Annotated[int, Field(ge=0, le=MAX_WAIT_SECONDS)] = 0


class EventAnswer(BaseModel):
    """An event. Its `event_id` is its position in the log."""

    type: str
    id: str
    event_id: str
    time: Moment
    data: dict[str, Any]


class EventsAnswer(BaseModel):
    """The next events; continue with `last_event_id`. `resumed: false`: events after `after` are lost, so reload."""

    items: list[EventAnswer]
    last_event_id: str
    resumed: bool


class LongPollSocket:
    """The socket of a member that polls: it notices that there are frames, and the log is read for them."""

    congested = False

    def __init__(self) -> None:
        self._woken = asyncio.Event()

    def push(self, _frame: Frame) -> None:
        self._woken.set()

    def close_soon(self, _reason: str) -> None:
        self._woken.set()

    async def wait_drained(self) -> None:
        """Return at once: nothing is queued."""

    async def wait(self, seconds: float) -> bool:
        """Whether the poll was woken in time."""
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._woken.wait()
        except TimeoutError:
            return False
        self._woken.clear()
        return True


@dataclass(frozen=True)
class Events:
    """The events of the caller's tenant that the caller may see."""

    catch_up: CatchUp

    def routes(self) -> list[Route]:
        return [PlainRoute("GET", "/api/v1/events", self.poll, query=EventsQuery, answer=EventsAnswer)]

    async def poll(self, request: Request) -> web.Response:
        """List the events after an `event_id`, or wait for the next ones. Without `after`: the current position."""
        query: EventsQuery = request.query
        socket = LongPollSocket()
        member = await self.catch_up.admit(SocketSession.of(request.identity), socket)
        try:
            cursor = Cursor.parse(query.after) if query.after else None
            if cursor is None:
                return _answer([], self.catch_up.cursor, resumed=False)
            visible, last = await self._visible_after(member, cursor, query.limit)
            if not visible and last is not None and query.wait:
                self.catch_up.go_live(member)
                until = monotonic() + query.wait
                visible, last = await self._visible_after(member, last, query.limit)
                while not visible and last is not None and not member.leaving:
                    if not await socket.wait(until - monotonic()):
                        break
                    visible, last = await self._visible_after(member, last, query.limit)
            if last is None:
                return _answer([], self.catch_up.cursor, resumed=False)
            return _answer(visible, last, resumed=True)
        finally:
            self.catch_up.unregister(member)

    async def _visible_after(
        self, member: RoomMember, after: Cursor, limit: int
    ) -> tuple[list[StoredEntry], Cursor | None]:
        """The next entries that the member may see, and the cursor after them; None when they were trimmed."""
        while page := await self.catch_up.page_after(member, after):
            if len(page.visible) > limit:
                visible = page.visible[:limit]
                return visible, Cursor(page.end.epoch, visible[-1].position)
            if page.visible or page.is_last:
                return page.visible, page.end
            after = page.end
        return [], None


def _answer(entries: list[StoredEntry], last: Cursor, *, resumed: bool) -> web.Response:
    items = []
    for entry in entries:
        name, event_id, time, _, data = entry.parts
        item = {"type": name.decode(), "id": event_id.decode(), "event_id": str(Cursor(last.epoch, entry.position))}
        items.append({**item, "time": time.decode(), "data": orjson.Fragment(data)})
    body = orjson.dumps({"items": items, "last_event_id": str(last), "resumed": resumed})
    return web.Response(body=body, content_type="application/json", headers={"Cache-Control": "no-store"})
