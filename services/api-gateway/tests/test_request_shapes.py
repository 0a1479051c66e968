"""Request smuggling: requests that two parsers could read differently are refused."""

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web

HEAD = b"POST /api/v1/files HTTP/1.1\r\nHost: localhost\r\n"
CHUNKS = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
SMUGGLED = b"GET /api/v1/files/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"


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
        b"GET /api/v1/files HTTP/1.1\nHost: localhost\n\n",
        b"GET /api/v1/files HTTP/1.1\r\n\r\n",
        b"GET /api/v1/files HTTP/1.1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
)
async def test_an_ambiguous_request_is_refused(recording_service: Any, shape: bytes) -> None:
    """The bytes behind it on the same connection are not taken for a request."""
    gateway, received = recording_service
    received.clear()
    host, port = gateway.removeprefix("http://").split(":")

    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(shape + SMUGGLED)
    answer = await asyncio.wait_for(reader.read(), 30)
    writer.close()

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split()[1] == b"400", answer
    assert (json.loads(body)["code"], received) == ("malformed", [])


async def test_well_formed_requests_share_a_connection(recording_service: Any) -> None:
    gateway, received = recording_service
    received.clear()
    host, port = gateway.removeprefix("http://").split(":")
    well_formed = [HEAD + b"Content-Length: 5\r\n\r\nhello", CHUNKS + b"5\r\nhello\r\n0\r\n\r\n"]

    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"".join(well_formed) + SMUGGLED.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    answer = await asyncio.wait_for(reader.read(), 30)
    writer.close()

    assert answer.count(b"HTTP/1.1 200 ") == 3
    assert received == ["/api/v1/files hello", "/api/v1/files hello", "/api/v1/files/smuggled "]


@pytest.fixture
async def recording_service(stack: Any) -> tuple[str, list[str]]:
    """A gateway, and the list of requests that the service behind it has received completely."""
    received: list[str] = []

    async def note(request: web.Request) -> web.StreamResponse:
        body = await request.text()
        received.append(f"{request.path} {body}")
        return web.Response()

    return await stack.gateway(files_urls=(await stack.service(note),)), received
