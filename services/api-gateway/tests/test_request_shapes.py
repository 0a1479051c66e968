"""Requests that two parsers could read differently: where one ends and the next begins is never a matter of taste."""

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web

HEAD = b"POST /api/v1/files HTTP/1.1\r\nHost: x\r\n"
CHUNKS = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
SMUGGLED = b"GET /api/v1/files/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    "shape",
    [
        HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        HEAD + b"Content-Length: 5, 6\r\n\r\nhello!",
        HEAD + b"Content-Length: +5\r\n\r\nhello",
        HEAD + b"Content-Length: -5\r\n\r\nhello",
        HEAD + b"Content-Length: 0x5\r\n\r\nhello",
        HEAD + b"Content-Length : 5\r\n\r\nhello",
        CHUNKS + b"5;\nx\r\nhello\r\n0\r\n\r\n",
        CHUNKS + b"5\nhello\r\n0\r\n\r\n",
        CHUNKS + b"0x5\r\nhello\r\n0\r\n\r\n",
        CHUNKS + b"-5\r\nhello\r\n0\r\n\r\n",
        CHUNKS + b"10000000000000005\r\nhello\r\n0\r\n\r\n",
        CHUNKS + b"5\r\nhello!\r\n0\r\n\r\n",
        CHUNKS + b"\r\n5\r\nhello\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
        HEAD + b"X-A: b\nX-C: d\r\n\r\n",
        HEAD + b"X-A: b\rX-C: d\r\n\r\n",
        HEAD + b"X-A: b\x00c\r\n\r\n",
        HEAD + b"X-A : b\r\n\r\n",
        HEAD + b" folded: y\r\n\r\n",
        HEAD + b"Host: y\r\n\r\n",
        b"GET /api/v1/files HTTP/1.1\nHost: x\n\n",
        b"GET /api/v1/files HTTP/1.1\r\n\r\n",
        b"GET /api/v1/files HTTP/1.1 HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
async def test_a_request_that_two_parsers_could_read_differently_is_refused(
    seen_by_a_service: Any, shape: bytes
) -> None:
    """And what comes behind it on the same connection is not taken for a request."""
    gateway, came = seen_by_a_service
    came.clear()
    host, port = gateway.removeprefix("http://").split(":")

    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(shape + SMUGGLED)
    answer = await asyncio.wait_for(reader.read(), 30)
    writer.close()

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split()[1] == b"400", answer
    assert (json.loads(body)["code"], came) == ("malformed", [])


async def test_a_connection_that_one_ends_one_way_carries_the_next_request(seen_by_a_service: Any) -> None:
    """The shapes above, said well."""
    gateway, came = seen_by_a_service
    came.clear()
    host, port = gateway.removeprefix("http://").split(":")
    well = [HEAD + b"Content-Length: 5\r\n\r\nhello", CHUNKS + b"5\r\nhello\r\n0\r\n\r\n"]

    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"".join(well) + SMUGGLED.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    answer = await asyncio.wait_for(reader.read(), 30)
    writer.close()

    assert answer.count(b"HTTP/1.1 200 ") == 3
    assert came == ["/api/v1/files hello", "/api/v1/files hello", "/api/v1/files/smuggled "]


@pytest.fixture
async def seen_by_a_service(stack: Any) -> tuple[str, list[str]]:
    """A gateway, and each request that a service behind it took for whole."""
    came: list[str] = []

    async def note(request: web.Request) -> web.StreamResponse:
        body = await request.text()
        came.append(f"{request.path} {body}")
        return web.Response()

    return await stack.gateway(files_urls=(await stack.service(note),)), came
