"""The edge: who may ask how much and from where, and shapes of requests that are refused."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

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

    await until(counted)
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


@pytest.mark.parametrize(
    "shape",
    [
        b"POST /api/v1/files HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /api/v1/files HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        b"POST /api/v1/files HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nhello",
        b"POST /api/v1/files HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;\nx\r\nhello\r\n0\r\n\r\n",
        b"POST /api/v1/files HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
        b"POST /api/v1/files HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"POST /api/v1/files HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"GET /api/v1/files HTTP/1.1\nHost: x\n\n",
        b"GET /api/v1/files HTTP/1.1\r\nHost: x\r\nX-A: b\nX-C: d\r\n\r\n",
        b"GET /api/v1/files HTTP/1.1\r\nHost: x\r\nX-A : b\r\n\r\n",
        b"GET /api/v1/files HTTP/1.1\r\nHost: x\r\n folded: y\r\n\r\n",
        b"GET /api/v1/files HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"GET /api/v1/files HTTP/1.1\r\n\r\n",
    ],
)
async def test_a_request_that_two_parsers_could_read_differently_is_refused(stack: Any, shape: bytes) -> None:
    came: list[str] = []

    async def note(request: web.Request) -> web.StreamResponse:
        await request.read()
        came.append(request.path)
        return web.Response()

    gateway = await stack.gateway(files_urls=(await stack.service(note),))
    host, port = gateway.removeprefix("http://").split(":")

    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(shape)
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()

    assert answer.split()[1] == b"400", answer
    assert came == []


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
    await asyncio.to_thread(_identity_keys, keys, "rotate")

    async def is_new() -> bool:
        return await kid() != old

    await until(is_new)
    assert await stack.status("GET", f"{gateway}/api/v1/auth/me", token) == 200
    assert await _published(stack, auth) == {old, await kid()}
    await asyncio.to_thread(_identity_keys, keys, "retire")
    assert await _published(stack, auth) == {await kid()}


def _identity_keys(keys: Path, command: str) -> None:
    code = "from api_gateway.commands import app; app()"
    environment = {**os.environ, "IDENTITY_KEY_FILE": str(keys / "private.json")}
    subprocess.run([sys.executable, "-c", code, "identity-keys", command], env=environment, check=True)


async def _published(stack: Any, auth: str) -> set[str]:
    async with stack.client.get(f"{auth}/internal/identity-keys") as answer:
        return {key["kid"] for key in (await answer.json(content_type=None))["keys"]}


def _decoded(part: str) -> bytes:
    from base64 import urlsafe_b64decode

    return urlsafe_b64decode(part + "=" * (-len(part) % 4))
