"""Every error is a problem document with a stable code."""

import asyncio
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from switchboard.http import PlainRoute, Request, reply
from switchboard.testing.waiting import until

from .demo_api import move, problem_of, routes


async def test_an_unknown_route_is_404(client: aiohttp.ClientSession) -> None:
    await problem_of(await client.get("/nowhere"), 404, "not_found")


async def test_a_wrong_method_is_405_and_says_which_are_allowed(client: aiohttp.ClientSession) -> None:
    answer = await client.put("/things")

    await problem_of(answer, 405, "method_not_allowed")
    assert set(answer.headers["Allow"].split(",")) == {"GET", "HEAD", "POST"}


async def test_only_public_routes_answer_without_an_identity(client: aiohttp.ClientSession) -> None:
    for route in routes():
        answer = await client.request(route.method, route.path.replace("{id}", "1"), allow_redirects=False)
        if not route.public:
            problem = await problem_of(answer, 401, "unauthenticated")
            assert "sign in" in problem["detail"]
        else:
            assert answer.status != 401


async def test_a_role_too_low_is_403(client: aiohttp.ClientSession, as_anna: dict[str, str]) -> None:
    await problem_of(await client.post("/admin", headers=as_anna), 403, "forbidden")


async def test_the_docstring_of_a_refusal_is_the_detail(client: aiohttp.ClientSession) -> None:
    problem = await problem_of(await client.post("/refuse"), 409, "too_late")

    assert problem["title"] == "Too late"
    assert problem["detail"] == "This thing is already gone."


async def test_a_throttled_request_has_a_retry_after(client: aiohttp.ClientSession) -> None:
    answer = await client.post("/throttle")

    await problem_of(answer, 429, "too_many_requests")
    assert answer.headers["Retry-After"] == "8"


async def test_unavailable_is_503_with_the_reason_only_in_the_log(
    client: aiohttp.ClientSession, logged: list[dict[str, Any]]
) -> None:
    answer = await client.post("/outage")

    await problem_of(answer, 503, "unavailable")
    assert answer.headers["Retry-After"] == "2"
    assert "hunter2" not in await answer.text()
    [line] = logged
    assert (line["event"], line["log_level"], line["status"]) == ("request", "warning", 503)
    assert line["outage"].endswith("db is unavailable")


async def test_an_unexpected_error_is_500_and_logged_with_its_traceback(
    client: aiohttp.ClientSession, logged: list[dict[str, Any]]
) -> None:
    answer = await client.post("/crash")

    problem = await problem_of(answer, 500, "internal_error")
    assert "hunter2" not in await answer.text()
    [line] = [line for line in logged if line["event"] == "request_broke"]
    assert line["request_id"] == problem["request_id"]
    assert isinstance(line["exc_info"], RuntimeError)


async def test_a_client_that_disconnects_during_its_body_is_logged_as_499(
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


async def test_a_timeout_is_503(client: aiohttp.ClientSession) -> None:
    answer = await client.post("/slow")

    await problem_of(answer, 503, "timeout")
    assert answer.headers["Retry-After"] == "1"


async def test_a_redirect_is_passed_through(client: aiohttp.ClientSession) -> None:
    answer = await client.get("/moved", allow_redirects=False)

    assert (answer.status, answer.headers["Location"]) == (302, "/elsewhere")
    assert answer.headers["X-Request-Id"]


async def test_an_error_during_a_stream_aborts_the_connection(client: aiohttp.ClientSession) -> None:
    answer = await client.get("/stream")

    with pytest.raises(aiohttp.ClientPayloadError):
        await answer.read()


async def test_a_valid_request_id_is_kept_and_any_other_replaced(
    client: aiohttp.ClientSession,
) -> None:
    kept = await client.get("/nowhere", headers={"X-Request-Id": "abc-1"})
    replaced = await client.get("/nowhere", headers={"X-Request-Id": "a b{}"})

    assert kept.headers["X-Request-Id"] == "abc-1"
    assert len(replaced.headers["X-Request-Id"]) == 32


async def test_a_public_route_gets_the_identity_if_there_is_one(start: Any, as_anna: dict[str, str]) -> None:
    async def show_caller(request: Request) -> web.Response:
        return reply({"user": str(request.caller.user_id) if request.caller else None})

    client = await start([PlainRoute("GET", "/who", show_caller, public=True, answer=dict[str, str])])

    anonymous = await (await client.get("/who")).json()
    forged = await (await client.get("/who", headers={"X-Switchboard-Identity": "forged"})).json()
    anna = await (await client.get("/who", headers=as_anna)).json()
    assert (anonymous["user"], forged["user"]) == (None, None)
    assert anna["user"] == "01890000-0000-7000-8000-000000000001"


async def test_the_openapi_document_needs_no_identity(start: Any) -> None:
    client = await start([PlainRoute("GET", "/things", move, public=True)])

    answer = await client.get("/internal/openapi.json")

    assert answer.status == 200
    assert set((await answer.json())["paths"]) == {"/things"}


async def test_no_answer_may_be_kept_by_a_cache(client: aiohttp.ClientSession, as_anna: dict[str, str]) -> None:
    for path in ("/things", "/nowhere"):
        answer = await client.get(path, headers=as_anna)

        assert (answer.headers["Cache-Control"], answer.headers["Vary"]) == ("no-store", "Accept")
