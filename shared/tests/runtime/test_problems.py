"""Whatever goes wrong, a client reads problem+json with a stable code."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from switchboard.http import Body, Moment, Page, PageQuery, PlainRoute, Request, Route, decode_cursor, reply
from switchboard.http.identity import Role
from switchboard.runtime.refusals import Conflict, TooMany
from switchboard.runtime.unavailable import Unavailable
from switchboard.testing.waiting import until


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
    raise Unavailable("postgres://user:hunter2@db is away")


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


@pytest.fixture
async def client(start: Any) -> aiohttp.ClientSession:
    session: aiohttp.ClientSession = await start(routes(), max_body=1000)
    return session


async def problem_of(answer: aiohttp.ClientResponse, status: int, code: str) -> dict[str, Any]:
    """The problem document, after checking what all have in common."""
    problem: dict[str, Any] = await answer.json(content_type="application/problem+json")
    assert (answer.status, problem["status"], problem["code"]) == (status, status, code)
    assert problem["type"] == f"urn:switchboard:problem:{code}"
    assert problem["request_id"] == answer.headers["X-Request-Id"]
    assert problem["title"]
    assert problem["detail"]
    return problem


async def test_an_unknown_route_is_404(client: aiohttp.ClientSession) -> None:
    await problem_of(await client.get("/nowhere"), 404, "not_found")


async def test_a_wrong_method_is_405_and_says_which_are_allowed(client: aiohttp.ClientSession) -> None:
    answer = await client.put("/things")

    await problem_of(answer, 405, "method_not_allowed")
    assert set(answer.headers["Allow"].split(",")) == {"GET", "POST"}


@pytest.mark.parametrize("raw", [b"", b"{", b'{"name": "a", "size": 1', b"\xff", b'{"name": "\\ud800", "size": 1}'])
async def test_broken_json_is_400(client: aiohttp.ClientSession, as_anna: dict[str, str], raw: bytes) -> None:
    answer = await client.post("/things", data=raw, headers={**as_anna, "Content-Type": "application/json"})

    problem = await problem_of(answer, 400, "malformed")
    assert problem["errors"][0]["loc"] == ["body"]


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({"name": "a"}, ["body", "size"]),
        ({"name": "a", "size": 1, "colour": "red"}, ["body", "colour"]),
        ({"name": "a", "size": "1"}, ["body", "size"]),
        ({"name": "a", "size": True}, ["body", "size"]),
        ({"name": "a\0", "size": 1}, ["body", "name"]),
        ({"name": "a", "size": 1, "labels": [{}, {"b": "c\0"}]}, ["body", "labels", 1, "b"]),
        ({"name": "a", "size": 1, "labels": [{"b\0": "c"}]}, ["body", "labels", 0]),
        ({"name": "a", "size": 1, "due": "2026-01-01T00:00:00"}, ["body", "due"]),
        ({"name": "a", "size": 1, "due": "9999-12-31T23:59:59-05:00"}, ["body", "due"]),
        ([], ["body"]),
    ],
)
async def test_an_invalid_body_is_422_and_names_the_field(
    client: aiohttp.ClientSession, as_anna: dict[str, str], body: Any, loc: list[str | int]
) -> None:
    answer = await client.post("/things", json=body, headers=as_anna)

    problem = await problem_of(answer, 422, "invalid")
    assert [error["loc"] for error in problem["errors"]] == [loc]


async def test_an_error_never_repeats_what_was_sent(client: aiohttp.ClientSession, as_anna: dict[str, str]) -> None:
    answer = await client.post("/things", json={"name": ["hunter2"], "size": "hunter2"}, headers=as_anna)

    assert "hunter2" not in await answer.text()


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_another_content_type_is_415(
    client: aiohttp.ClientSession, as_anna: dict[str, str], content_type: str
) -> None:
    answer = await client.post("/things", data=b"{}", headers={**as_anna, "Content-Type": content_type})

    await problem_of(answer, 415, "unsupported_media_type")


async def test_a_body_too_large_is_413(client: aiohttp.ClientSession, as_anna: dict[str, str]) -> None:
    answer = await client.post("/things", json={"name": "a" * 1000, "size": 1}, headers=as_anna)

    await problem_of(answer, 413, "too_large")


async def test_a_body_too_large_that_hides_its_length_is_413(
    client: aiohttp.ClientSession, as_anna: dict[str, str]
) -> None:
    async def chunks() -> Any:
        for _ in range(3):
            yield b"a" * 500

    headers = {**as_anna, "Content-Type": "application/json"}
    answer = await client.post("/things", data=chunks(), headers=headers)

    await problem_of(answer, 413, "too_large")


async def test_a_body_too_large_is_refused_before_it_is_sent(
    client: aiohttp.ClientSession, as_anna: dict[str, str]
) -> None:
    assert await first_line(client, as_anna, length=1001) == b"HTTP/1.1 413 Request Entity Too Large\r\n"
    assert await first_line(client, {}, length=10) == b"HTTP/1.1 401 Unauthorized\r\n"
    assert await first_line(client, as_anna, length=10) == b"HTTP/1.1 100 Continue\r\n"


async def first_line(client: aiohttp.ClientSession, headers: dict[str, str], length: int) -> bytes:
    """What is answered to a body that is announced and held back."""
    announced = {
        "Host": "demo", "Content-Type": "application/json", "Content-Length": str(length), "Expect": "100-continue",
    }  # fmt: skip
    lines = [f"{name}: {value}" for name, value in (announced | headers).items()]
    assert client._base_url is not None
    reader, writer = await asyncio.open_connection(client._base_url.host, client._base_url.port)
    writer.write("\r\n".join(["POST /things HTTP/1.1", *lines, "", ""]).encode())
    try:
        return await reader.readline()
    finally:
        writer.close()


async def test_a_body_announced_by_expect_is_taken(client: aiohttp.ClientSession, as_anna: dict[str, str]) -> None:
    answer = await client.post("/things", json={"name": "a", "size": 1}, headers=as_anna, expect100=True)

    assert answer.status == 201


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=many", "limit=1&limit=2", "cursor=%00"])
async def test_a_bad_query_is_422_and_names_the_field(
    client: aiohttp.ClientSession, as_anna: dict[str, str], query: str
) -> None:
    problem = await problem_of(await client.get(f"/things?{query}", headers=as_anna), 422, "invalid")

    assert [error["loc"] for error in problem["errors"]] == [["query", query.partition("=")[0]]]


@pytest.mark.parametrize("cursor", ["nonsense", "WyJhIl0", "bnVsbA", "%F0%9F%98%80", "W10", "WzEsMl0"])
async def test_a_bad_cursor_is_422(client: aiohttp.ClientSession, as_anna: dict[str, str], cursor: str) -> None:
    problem = await problem_of(await client.get(f"/things?cursor={cursor}", headers=as_anna), 422, "invalid")

    assert problem["errors"][0]["loc"] == ["query", "cursor"]


async def test_an_unknown_query_field_is_422(client: aiohttp.ClientSession, as_anna: dict[str, str]) -> None:
    problem = await problem_of(await client.get("/things?colour=red", headers=as_anna), 422, "invalid")

    assert problem["errors"][0]["loc"] == ["query", "colour"]


@pytest.mark.parametrize("id", ["1", "x" * 36, "%00", "%ff", "{01890000-0000-7000-8000-000000000001}"])
async def test_what_cannot_be_an_id_is_404(client: aiohttp.ClientSession, as_anna: dict[str, str], id: str) -> None:
    await problem_of(await client.get(f"/things/{id}", headers=as_anna), 404, "not_found")


async def test_without_an_identity_everything_but_public_routes_is_401(client: aiohttp.ClientSession) -> None:
    for route in routes():
        answer = await client.request(route.method, route.path.replace("{id}", "1"), allow_redirects=False)
        if not route.public:
            problem = await problem_of(answer, 401, "unauthenticated")
            assert "sign in" in problem["detail"]
        else:
            assert answer.status != 401


async def test_a_role_too_low_is_403(client: aiohttp.ClientSession, as_anna: dict[str, str]) -> None:
    await problem_of(await client.post("/admin", headers=as_anna), 403, "forbidden")


async def test_a_refusal_is_told_in_its_own_words(client: aiohttp.ClientSession) -> None:
    problem = await problem_of(await client.post("/refuse"), 409, "too_late")

    assert problem["title"] == "Too late"
    assert problem["detail"] == "This thing is already gone."


async def test_a_throttled_client_is_told_when_to_come_back(client: aiohttp.ClientSession) -> None:
    answer = await client.post("/throttle")

    await problem_of(answer, 429, "too_many_requests")
    assert answer.headers["Retry-After"] == "8"


async def test_an_outage_is_503_with_retry_after_and_its_details_only_in_the_log(
    client: aiohttp.ClientSession, logged: list[dict[str, Any]]
) -> None:
    answer = await client.post("/outage")

    await problem_of(answer, 503, "unavailable")
    assert answer.headers["Retry-After"] == "2"
    assert "hunter2" not in await answer.text()
    [line] = logged
    assert (line["event"], line["log_level"], line["status"]) == ("request", "warning", 503)
    assert line["outage"].endswith("db is away")


async def test_a_bug_is_500_without_leaking_and_is_logged_with_its_traceback(
    client: aiohttp.ClientSession, logged: list[dict[str, Any]]
) -> None:
    answer = await client.post("/crash")

    problem = await problem_of(answer, 500, "internal_error")
    assert "hunter2" not in await answer.text()
    [line] = [line for line in logged if line["event"] == "request_broke"]
    assert line["request_id"] == problem["request_id"]
    assert isinstance(line["exc_info"], RuntimeError)


async def test_a_client_that_goes_away_in_the_middle_of_its_body_is_no_bug(
    client: aiohttp.ClientSession, as_anna: dict[str, str], logged: list[dict[str, Any]]
) -> None:
    lines = [f"{name}: {value}" for name, value in as_anna.items()]
    assert client._base_url is not None
    _, writer = await asyncio.open_connection(client._base_url.host, client._base_url.port)
    head = ["POST /things HTTP/1.1", "Host: demo", "Content-Type: application/json", "Content-Length: 100", *lines]
    writer.write("\r\n".join([*head, "", '{"name": ']).encode())
    await writer.drain()

    writer.close()

    [line] = await until(lambda: [line for line in logged if line["event"] == "request"])
    assert line["status"] == 499
    assert not [line for line in logged if line["event"] == "request_broke"]


async def test_what_took_too_long_is_503(client: aiohttp.ClientSession) -> None:
    answer = await client.post("/slow")

    await problem_of(answer, 503, "timeout")
    assert answer.headers["Retry-After"] == "1"


async def test_a_redirect_is_no_problem(client: aiohttp.ClientSession) -> None:
    answer = await client.get("/moved", allow_redirects=False)

    assert (answer.status, answer.headers["Location"]) == (302, "/elsewhere")
    assert answer.headers["X-Request-Id"]


async def test_a_stream_that_breaks_is_cut_off(client: aiohttp.ClientSession) -> None:
    answer = await client.get("/stream")

    with pytest.raises(aiohttp.ClientPayloadError):
        await answer.read()


async def test_the_gateway_s_request_id_is_kept_and_a_foreign_looking_one_replaced(
    client: aiohttp.ClientSession,
) -> None:
    kept = await client.get("/nowhere", headers={"X-Request-Id": "abc-1"})
    replaced = await client.get("/nowhere", headers={"X-Request-Id": "a b{}"})

    assert kept.headers["X-Request-Id"] == "abc-1"
    assert len(replaced.headers["X-Request-Id"]) == 32


async def test_a_public_route_still_knows_who_asks(start: Any, as_anna: dict[str, str]) -> None:
    async def who(request: Request) -> web.Response:
        return reply({"user": str(request.caller.user_id) if request.caller else None})

    client = await start([PlainRoute("GET", "/who", who, public=True, answer=dict[str, str])])

    nobody = await (await client.get("/who")).json()
    forged = await (await client.get("/who", headers={"X-Switchboard-Identity": "forged"})).json()
    anna = await (await client.get("/who", headers=as_anna)).json()
    assert (nobody["user"], forged["user"]) == (None, None)
    assert anna["user"] == "01890000-0000-7000-8000-000000000001"
