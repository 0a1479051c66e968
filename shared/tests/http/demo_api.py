"""The routes that the tests of problem documents and validation call."""

import asyncio
from typing import Any

import aiohttp
from aiohttp import web

from switchboard.http import Body, Moment, Page, PageQuery, PlainRoute, Request, Route, decode_cursor
from switchboard.http.identity import Role
from switchboard.runtime.refusals import Conflict, TooMany
from switchboard.runtime.unavailable import Unavailable


class NewThing(Body):
    name: str
    size: int
    due: Moment | None = None
    labels: list[dict[str, str]] | None = None


class TooLate(Conflict):
    """This thing is already gone."""

    code = "too_late"


async def make(request: Request) -> NewThing:
    return NewThing(**request.body.model_dump())


async def list_things(request: Request) -> Page[NewThing]:
    if request.query.cursor is not None:
        decode_cursor(request.query.cursor, int)
    return Page(items=[])


async def show(request: Request) -> NewThing:
    return NewThing(name=str(request.uuid("id")), size=1)


async def refuse(_call: Request) -> None:
    raise TooLate


async def throttle(_call: Request) -> None:
    raise TooMany(retry_after=7.2)


async def outage(_call: Request) -> None:
    raise Unavailable("postgres://user:hunter2@db is unavailable")


async def crash(_call: Request) -> None:
    raise RuntimeError("hunter2")


async def take_too_long(_call: Request) -> None:
    async with asyncio.timeout(0):
        await asyncio.Event().wait()


async def move(_call: Request) -> None:
    raise web.HTTPFound("/elsewhere")


async def stream_and_crash(request: Request) -> web.StreamResponse:
    stream = web.StreamResponse()
    await stream.prepare(request.http)
    await stream.write(b"half of ")
    raise RuntimeError


def routes() -> list[Route]:
    return [
        PlainRoute("POST", "/things", make, body=NewThing, answer=NewThing, status=201),
        PlainRoute("GET", "/things", list_things, query=PageQuery, answer=Page[NewThing]),
        PlainRoute("GET", "/things/{id}", show, answer=NewThing),
        PlainRoute("POST", "/admin", refuse, role=Role.ADMIN),
        PlainRoute("POST", "/refuse", refuse, public=True),
        PlainRoute("POST", "/throttle", throttle, public=True),
        PlainRoute("POST", "/outage", outage, public=True),
        PlainRoute("POST", "/crash", crash, public=True),
        PlainRoute("POST", "/slow", take_too_long, public=True),
        PlainRoute("GET", "/moved", move, public=True),
        PlainRoute("GET", "/stream", stream_and_crash, public=True),
    ]


async def problem_of(answer: aiohttp.ClientResponse, status: int, code: str) -> dict[str, Any]:
    """The problem document, after checking its common members."""
    problem: dict[str, Any] = await answer.json(content_type="application/problem+json")
    assert (answer.status, problem["status"], problem["code"]) == (status, status, code)
    assert problem["type"] == f"urn:switchboard:problem:{code}"
    assert problem["request_id"] == answer.headers["X-Request-Id"]
    assert problem["title"]
    assert problem["detail"]
    return problem
