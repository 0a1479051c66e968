"""Forwarding: streaming of bodies both ways, headers, disconnects."""

import asyncio
import contextlib
import hashlib
import tracemalloc
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from api_gateway.api import application
from api_gateway.proxy import bodies

MEBIBYTE = 1024 * 1024


async def echo(request: web.Request) -> web.StreamResponse:
    return web.json_response({
        "path": request.raw_path,
        "headers": {name.lower(): value for name, value in request.headers.items()},
        "body": await request.text(),
    })  # fmt: skip


async def test_untrusted_headers_do_not_reach_a_service(stack: Any) -> None:
    gateway = await stack.gateway(await stack.auth(), files_urls=(await stack.service(echo),))
    path = "/api/v1/files/a%20b?x=%2F&y"
    sent = {
        "X-Switchboard-Identity": "forged",
        "X-Forwarded-For": "6.6.6.6",
        "X-Forwarded-Host": "evil",
        "Cookie": "session=x; a=b",
        "Authorization": "Bearer unknown",
        "Connection": "keep-alive, X-Secret, Idempotency-Key",
        "Idempotency-Key": "kept",
        "X-Secret": "1",
        "X-Real-Ip": "6.6.6.6",
        "X-Custom": "stays",
    }

    async with stack.client.post(URL(gateway + path, encoded=True), headers=sent, data=b"hi") as answer:
        seen = await answer.json()
        headers = answer.headers

    assert seen["path"] == path
    assert seen["body"] == "hi"
    assert seen["headers"]["x-forwarded-for"] == "127.0.0.1"
    assert seen["headers"]["x-custom"] == "stays"
    assert seen["headers"]["idempotency-key"] == "kept"
    assert seen["headers"]["x-request-id"] == headers["X-Request-Id"]
    for name in ("x-switchboard-identity", "cookie", "authorization", "x-secret", "x-real-ip", "connection"):
        assert name not in seen["headers"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Server"] == "switchboard"


@pytest.mark.parametrize("chunked", [False, True])
async def test_50_mib_stream_both_ways_in_constant_memory(stack: Any, chunked: bool) -> None:
    async def sum_and_send_back(request: web.Request) -> web.StreamResponse:
        digest = hashlib.sha256()
        answer = web.StreamResponse()
        if not chunked:
            answer.content_length = 50 * MEBIBYTE
        async for piece in request.content.iter_any():
            digest.update(piece)
        answer.headers["X-Sum"] = digest.hexdigest()
        await answer.prepare(request)
        for _ in range(50):
            await answer.write(bytes(MEBIBYTE))
        return answer

    async def body() -> Any:
        for _ in range(50):
            yield bytes(MEBIBYTE)

    gateway = await stack.gateway(files_urls=(await stack.service(sum_and_send_back),))
    headers = {} if chunked else {"Content-Length": str(50 * MEBIBYTE)}
    expected = hashlib.sha256(bytes(50 * MEBIBYTE)).hexdigest()

    tracemalloc.start()
    received = 0
    async with stack.client.post(f"{gateway}/api/v1/files", data=body(), headers=headers) as answer:
        assert answer.status == 200
        assert answer.headers["X-Sum"] == expected
        async for piece in answer.content.iter_any():
            received += len(piece)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert received == 50 * MEBIBYTE
    assert peak < 20 * MEBIBYTE


async def test_a_body_over_the_limit_is_refused_before_it_is_sent(stack: Any) -> None:
    received: list[str] = []

    async def note(request: web.Request) -> web.StreamResponse:
        received.append(request.path)
        await request.read()
        return web.Response()

    gateway = await stack.gateway(files_urls=(await stack.service(note),), max_upload_bytes=1000)

    async def endless() -> Any:
        while True:
            yield bytes(MEBIBYTE)

    async with stack.client.post(f"{gateway}/api/v1/files", data=bytes(3 * MEBIBYTE), expect100=True) as answer:
        assert (answer.status, (await answer.json())["code"]) == (413, "too_large")
    assert received == []
    async with stack.client.post(f"{gateway}/api/v1/files", data=endless()) as answer:
        assert answer.status == 413


async def test_expect_100_continue_is_answered(stack: Any) -> None:
    gateway = await stack.gateway(await stack.service(echo))

    async with stack.client.post(f"{gateway}/api/v1/auth/any", data=b"asked", expect100=True) as answer:
        assert (await answer.json())["body"] == "asked"


async def test_nobody_is_asked_for_a_body_without_a_session(stack: Any) -> None:
    gateway = await stack.gateway(files_urls=(await stack.service(echo),))
    host, port = gateway.removeprefix("http://").split(":")

    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /api/v1/files HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n")
    answer = await asyncio.wait_for(reader.read(), 30)
    writer.close()

    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"Connection: close\r\n" in answer


@pytest.mark.parametrize("request_line", ["OPTIONS * HTTP/1.1", "CONNECT example.com:443 HTTP/1.1"])
async def test_a_request_without_a_path_is_answered_by_a_problem(stack: Any, request_line: str) -> None:
    gateway = await stack.gateway()
    host, port = gateway.removeprefix("http://").split(":")

    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"{request_line}\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
    writer.close()

    assert b"Content-Type: application/problem+json\r\n" in answer
    assert b"Server: switchboard\r\n" in answer


async def test_a_disconnected_client_cancels_its_request(stack: Any) -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def endless_response(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        started.set()
        try:
            while request.transport is not None:
                await answer.write(b"x")
                await asyncio.sleep(0.01)
        except ConnectionError:
            pass
        cancelled.set()
        return answer

    gateway = await stack.gateway(files_urls=(await stack.service(endless_response),))

    async with aiohttp.ClientSession() as client, client.get(f"{gateway}/api/v1/files") as answer:
        await started.wait()
        answer.close()

    await asyncio.wait_for(cancelled.wait(), 30)


async def test_a_client_that_disconnects_during_an_upload_ends_it_at_the_service(stack: Any) -> None:
    started, broken = asyncio.Event(), asyncio.Event()

    async def receive(request: web.Request) -> web.StreamResponse:
        started.set()
        try:
            async for _ in request.content.iter_any():
                pass
        except (web.RequestPayloadError, ConnectionError, OSError):
            broken.set()
        return web.Response()

    gateway = await stack.gateway(files_urls=(await stack.service(receive),))
    host, port = gateway.removeprefix("http://").split(":")

    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /api/v1/files HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n" + bytes(1000))
    await asyncio.wait_for(started.wait(), 30)
    writer.transport.abort()

    await asyncio.wait_for(broken.wait(), 30)


async def test_a_response_that_is_cut_off_fails_at_the_client(stack: Any) -> None:
    async def cut_off(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        await answer.write(b"half")
        assert request.transport is not None
        request.transport.abort()
        return answer

    gateway = await stack.gateway(files_urls=(await stack.service(cut_off),))

    with pytest.raises(aiohttp.ClientError):
        async with stack.client.get(f"{gateway}/api/v1/files") as answer:
            await answer.read()


async def test_head_and_empty_responses_leave_the_connection_usable(stack: Any) -> None:
    async def by_path(request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/none"):
            return web.Response(status=204)
        return web.Response(
            text="hello", headers={"ETag": '"1"'}, status=304 if request.path.endswith("/same") else 200
        )

    gateway = await stack.gateway(files_urls=(await stack.service(by_path),))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as client:
        for _ in range(3):
            async with client.head(f"{gateway}/api/v1/files/x") as answer:
                assert (answer.status, answer.headers["Content-Length"]) == (200, "5")
            for path, status, text in (("none", 204, ""), ("same", 304, ""), ("x", 200, "hello")):
                async with client.get(f"{gateway}/api/v1/files/{path}") as answer:
                    assert (answer.status, await answer.text()) == (status, text)


async def test_an_ambiguous_path_is_not_found(stack: Any) -> None:
    gateway = await stack.gateway(await stack.service(echo))
    host, port = gateway.removeprefix("http://").split(":")

    for path in (
        "/api/v1/auth/../../internal/x",
        "/api/v1/auth/%2e%2e/x",
        "/api/v1/auth//x",
        "/internal/sessions/resolve",
    ):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert (await reader.readline()).split()[1] == b"404", path
        writer.close()


async def test_a_slow_small_body_is_408(stack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "SLOW_SECONDS", 0.3)
    gateway = await stack.gateway(await stack.service(echo))

    answer = await _send_slowly(
        gateway, b"POST /api/v1/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx"
    )

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"Connection: close\r\n" in answer


async def test_a_head_that_is_never_complete_is_closed(stack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(application, "IDLE_SECONDS", 0.5)
    gateway = await stack.gateway()

    assert await _send_slowly(gateway, b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ") == b""


async def _send_slowly(gateway: str, begun: bytes) -> bytes:
    """What comes back, to the end of the connection, while a byte more is sent again and again."""
    host, port = gateway.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(begun)

    async def go_on() -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                await asyncio.sleep(0.1)
                writer.write(b"x")
                await writer.drain()

    sending = asyncio.create_task(go_on())
    try:
        return await asyncio.wait_for(reader.read(), 30)
    except ConnectionError:
        return b""
    finally:
        sending.cancel()
        writer.close()
