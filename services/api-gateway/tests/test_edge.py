"""The edge: who may ask how much and from where, and what stands on every answer."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from aiohttp import web
from structlog.testing import capture_logs
from yarl import URL

from switchboard.testing.waiting import until

FRONTEND = "https://app.example.com"


async def hello(_request: web.Request) -> web.StreamResponse:
    return web.Response(text="hello")


async def test_an_address_may_ask_so_much_over_all_gateways(stack: Any) -> None:
    url = await stack.service(hello)
    gateways = [await stack.gateway(files_urls=(url,), rate_limit_address=20) for _ in range(2)]

    async def refused() -> bool:
        statuses = [await stack.status("GET", f"{gateway}/api/v1/files") for gateway in gateways * 25]
        assert set(statuses) <= {200, 429}
        return statuses[-2:] == [429, 429]

    await until(refused, within=20)  # a window may have begun anew in between
    async with stack.client.get(f"{gateways[0]}/api/v1/files") as answer:
        assert (answer.status, (await answer.json())["code"]) == (429, "too_many_requests")
        assert 1 <= int(answer.headers["Retry-After"]) <= 10


async def test_nothing_is_limited_while_redis_is_away(stack: Any, dead_redis_url: str) -> None:
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


async def test_the_frontends_pages_may_ask_and_nobody_elses(stack: Any) -> None:
    gateway = await stack.gateway(files_urls=(await stack.service(hello),), frontend_url=FRONTEND)
    asked = {"Access-Control-Request-Method": "POST"}

    async with stack.client.options(f"{gateway}/api/v1/files", headers={**asked, "Origin": FRONTEND}) as answer:
        assert answer.status == 204
        assert answer.headers["Access-Control-Allow-Origin"] == FRONTEND
        assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    async with stack.client.get(f"{gateway}/api/v1/files", headers={"Origin": FRONTEND}) as answer:
        assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    for method in ("OPTIONS", "GET"):
        headers = {**asked, "Origin": "https://evil.example"}
        async with stack.client.request(method, f"{gateway}/api/v1/files", headers=headers) as answer:
            assert "Access-Control-Allow-Origin" not in answer.headers


async def told_of(stack: Any, gateway: str, **headers: str) -> dict[str, str]:
    """What a service is told of where a request came from."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    async with stack.client.get(f"{gateway}/api/v1/files", headers=sent) as answer:
        told: dict[str, str] = await answer.json()
        return told


async def forwarded(request: web.Request) -> web.StreamResponse:
    return web.json_response({name: request.headers.get(f"X-Forwarded-{name}") for name in ("For", "Proto", "Host")})


async def test_where_a_request_came_from_is_believed_of_trusted_proxies_alone(stack: Any) -> None:
    url = await stack.service(forwarded)
    alone = await stack.gateway(files_urls=(url,))
    behind = await stack.gateway(files_urls=(url,), trusted_proxies="127.0.0.0/8, 10.0.0.1")
    said = {"X_Forwarded_For": "6.6.6.6, 203.0.113.9, 10.0.0.1", "X_Forwarded_Proto": "https", "Host": "crm.example"}

    assert await told_of(stack, alone, **said) == {"For": "127.0.0.1", "Proto": "http", "Host": "crm.example"}
    assert await told_of(stack, behind, **said) == {"For": "203.0.113.9", "Proto": "https", "Host": "crm.example"}
    assert (await told_of(stack, behind, X_Forwarded_For="10.0.0.1"))["For"] == "127.0.0.1"


async def test_every_answer_carries_what_browsers_shall_heed(stack: Any) -> None:
    gateway = await stack.gateway(files_urls=(await stack.service(hello),), public_url="https://crm.example.com")

    for path in ("/api/v1/files", "/api/v1/nothing", "/nothing", "/health", "/api/v1/auth/%0A"):
        async with stack.client.get(URL(gateway + path, encoded=True)) as answer:
            headers = answer.headers
        assert headers["X-Content-Type-Options"] == "nosniff", path
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Strict-Transport-Security"].startswith("max-age=31536000")
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Request-Id"]
        assert "aiohttp" not in headers.get("Server", "")


async def test_a_request_keeps_the_id_it_came_with_if_it_is_one(stack: Any) -> None:
    gateway = await stack.gateway(files_urls=(await stack.service(hello),))

    async def id_of(sent: str) -> str:
        async with stack.client.get(f"{gateway}/api/v1/files", headers={"X-Request-Id": sent}) as answer:
            return str(answer.headers["X-Request-Id"])

    assert await id_of("mine-1.2_3") == "mine-1.2_3"
    assert await id_of("not mine") != "not mine"
    assert len(await id_of("x" * 65)) == 32


async def test_an_expectation_that_nobody_knows_is_refused(stack: Any) -> None:
    gateway = await stack.gateway(files_urls=(await stack.service(hello),))

    async with stack.client.post(f"{gateway}/api/v1/files", data=b"x", headers={"Expect": "miracles"}) as answer:
        assert (answer.status, (await answer.json())["code"]) == (417, "expectation_failed")


async def test_a_gateway_about_to_end_asks_its_clients_to_go_elsewhere_and_serves_them_meanwhile(stack: Any) -> None:
    gateway = await stack.gateway(files_urls=(await stack.service(hello),))
    stack.health[gateway].drain()

    assert await stack.status("GET", f"{gateway}/readyz") == 503
    for path, status in (("/api/v1/files", 200), ("/api/v1/nothing", 404)):
        async with stack.client.get(gateway + path) as answer:
            assert (answer.status, answer.headers["Connection"]) == (status, "close")


async def test_a_rotated_key_signs_at_once_and_the_old_one_is_accepted_until_it_is_retired(
    stack: Any, keys: Path
) -> None:
    seen: list[str] = []

    async def note(request: web.Request) -> web.StreamResponse:
        seen.append(request.headers.get("X-Switchboard-Identity", ""))
        return web.Response()

    (keys / "public.json").rename(keys / "identity-public.json")
    (keys / "public.json").symlink_to(keys / "identity-public.json")
    auth = await stack.auth()
    gateway = await stack.gateway(auth, files_urls=(await stack.service(note),))
    token = (await stack.sign_up(gateway))["session"]["token"]

    async def kid() -> str:
        await stack.status("GET", f"{gateway}/api/v1/files", token)
        return str(json.loads(_decoded(seen[-1].split(".")[0]))["kid"])

    old = await kid()
    await asyncio.to_thread(_identity_keys, keys, "rotate", "--pause", "0.5")

    async def is_new() -> bool:
        return await kid() != old

    await until(is_new)
    assert await stack.status("GET", f"{gateway}/api/v1/auth/me", token) == 200
    assert await _published(stack, auth) == {old, await kid()}
    await asyncio.to_thread(_identity_keys, keys, "retire")
    assert await _published(stack, auth) == {await kid()}


def _identity_keys(keys: Path, command: str, *options: str) -> None:
    code = "from api_gateway.commands.routes import app; app()"
    environment = {**os.environ, "IDENTITY_KEY_FILE": str(keys / "private.json")}
    words = [sys.executable, "-c", code, "identity-keys", command, *options]
    subprocess.run(words, env=environment, check=True)


async def _published(stack: Any, auth: str) -> set[str]:
    async with stack.client.get(f"{auth}/internal/identity-keys") as answer:
        return {key["kid"] for key in (await answer.json(content_type=None))["keys"]}


def _decoded(part: str) -> bytes:
    from base64 import urlsafe_b64decode

    return urlsafe_b64decode(part + "=" * (-len(part) % 4))
