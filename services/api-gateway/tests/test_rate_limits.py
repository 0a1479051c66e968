"""Rate limits at the edge."""

from typing import Any

from aiohttp import web
from structlog.testing import capture_logs

from switchboard.testing.waiting import until


async def hello(_request: web.Request) -> web.StreamResponse:
    return web.Response(text="hello")


async def test_an_address_is_limited_over_all_gateways(stack: Any) -> None:
    url = await stack.service(hello)
    gateways = [await stack.gateway(files_urls=(url,), rate_limit_address=20) for _ in range(2)]

    async def refused() -> bool:
        statuses = [await stack.status("GET", f"{gateway}/api/v1/files") for gateway in gateways * 25]
        assert set(statuses) <= {200, 429}
        return statuses[-2:] == [429, 429]

    await until(refused, within=20)  # a new window may have begun in between
    async with stack.client.get(f"{gateways[0]}/api/v1/files") as answer:
        assert (answer.status, (await answer.json())["code"]) == (429, "too_many_requests")
        assert 1 <= int(answer.headers["Retry-After"]) <= 10


async def test_nothing_is_limited_while_redis_is_unavailable(stack: Any, dead_redis_url: str) -> None:
    gateway = await stack.gateway(
        files_urls=(await stack.service(hello),), rate_limit_address=1, redis_url=dead_redis_url
    )

    async def counted() -> bool:
        await stack.status("GET", f"{gateway}/api/v1/files")
        async with stack.client.get(f"{gateway}/metrics") as answer:
            return "rate_limit_open_total 0.0" not in await answer.text()

    with capture_logs() as logged:
        await until(counted)
        await until(lambda: "rate_limits_open" in [line["event"] for line in logged], within=20)
    assert [await stack.status("GET", f"{gateway}/api/v1/files") for _ in range(30)] == [200] * 30
