"""Load balancing: retries at other instances, ejection of failing instances, health."""

from typing import Any

from aiohttp import web

from switchboard.testing.waiting import until


async def ok(_request: web.Request) -> web.StreamResponse:
    return web.Response()


async def test_a_dead_instance_fails_no_request(stack: Any) -> None:
    gateway = await stack.gateway(files_urls=("http://127.0.0.1:1", await stack.service(ok)))

    statuses = [await stack.status("POST", f"{gateway}/api/v1/files", data=b"x") for _ in range(20)]

    assert statuses == [200] * 20


async def test_idempotent_requests_are_retried_at_another_instance(stack: Any) -> None:
    async def disconnect(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    urls = await stack.service(disconnect), await stack.service(ok)
    gateway = await stack.gateway(files_urls=urls)

    reads = [await stack.status("GET", f"{gateway}/api/v1/files") for _ in range(10)]
    keyed = [
        await stack.status("POST", f"{gateway}/api/v1/files", data=b"x", headers={"Idempotency-Key": str(n)})
        for n in range(10)
    ]
    writes = {await stack.status("POST", f"{gateway}/api/v1/files", data=b"x") for _ in range(10)}

    assert reads == [200] * 10
    assert keyed == [200] * 10
    assert writes == {200, 503}


async def test_without_an_instance_the_response_is_503_with_retry_after(stack: Any) -> None:
    gateway = await stack.gateway()

    async with stack.client.get(f"{gateway}/api/v1/files") as answer:
        problem = await answer.json()

    assert (answer.status, problem["code"], answer.headers["Retry-After"]) == (503, "unavailable", "1")
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert problem["request_id"] == answer.headers["X-Request-Id"]


async def test_health_lists_dead_instances_and_is_ok_while_one_is_ready(stack: Any) -> None:
    url = await stack.service(ok)
    dead = "http://127.0.0.1:1"
    gateway = await stack.gateway(
        url, files_urls=(url,), conversations_urls=(url, dead), scheduler_urls=(url,), realtime_urls=(url,)
    )

    async def is_ok() -> Any:
        async with stack.client.get(f"{gateway}/health") as answer:
            report = await answer.json()
            listed = {one["address"]: one["state"] for one in report["services"]["conversations"]}
            assert listed == {url.removeprefix("http://"): "ready", "127.0.0.1:1": "down"}
            return answer.status == 200 and report["status"] == "ok"

    await until(is_ok)


async def test_health_is_degraded_by_a_check_that_fails_in_every_instance(stack: Any) -> None:
    failing = {
        "database": "ok",
        "outbox": "error: the oldest unsent message has waited 61 s",
        "conversations.commands": "error: no consumer on conversations.commands",
    }
    fine = await stack.service(ok)
    poor = await stack.service(ok, checks=failing), await stack.service(ok, checks=failing | {"s3": "error: slow"})
    half = await stack.service(ok, checks=failing)
    gateway = await stack.gateway(
        fine, files_urls=(half, fine), conversations_urls=poor, scheduler_urls=(fine,), realtime_urls=(fine,)
    )

    async def is_named() -> Any:
        async with stack.client.get(f"{gateway}/health") as answer:
            report = await answer.json()
            assert (answer.status, report["status"]) == (503, "degraded")
            assert (report["checks"]["auth"], report["checks"]["files"]) == ("ok", "ok")
            return report["checks"]["conversations"] == (
                "error: outbox: the oldest unsent message has waited 61 s; "
                "conversations.commands: no consumer on conversations.commands"
            )

    await until(is_named)
