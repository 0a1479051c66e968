"""Refused bodies: the answer says whether the connection is closed after it, and compressed bodies are refused."""

import asyncio
from typing import Any
from urllib.parse import urlsplit

import pytest

HEAD = b"POST /things HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
REFUSE = b"POST /refuse HTTP/1.1\r\nHost: x\r\n"


async def exchange(client: Any, *parts: bytes) -> tuple[bytes, bool]:
    """The answer to a request sent in parts, and whether the server closed the connection after it."""
    url = urlsplit(str(client._base_url))
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    try:
        for part in parts:
            writer.write(part)
            await asyncio.sleep(0.05)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        closed = False
        try:
            async with asyncio.timeout(4):
                await reader.read(-1)
                closed = True
        except TimeoutError:
            pass
        return head, closed
    finally:
        writer.close()


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "x-made-up", "identity, gzip"])
async def test_a_compressed_body_is_415_and_the_connection_stays(client: Any, coding: str) -> None:
    head, closed = await exchange(
        client, HEAD + f"Content-Encoding: {coding}\r\nContent-Length: 2\r\n\r\n{{}}".encode()
    )

    assert b" 415 " in head
    assert b"Accept-Encoding: identity" in head
    assert b"Connection: close" not in head
    assert not closed


async def test_identity_is_no_compression(client: Any) -> None:
    body = b'{"name": "a", "size": 1}'
    head, _ = await exchange(
        client, HEAD + b"Content-Encoding: identity\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    )

    assert b" 401 " in head


@pytest.mark.parametrize(
    "parts",
    [
        (HEAD + b"Content-Length: 100\r\n\r\n", b"{"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n{\r\n"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"zz\r\n"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",),
        (REFUSE + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\nzz\r\n",),
        (REFUSE + b"Content-Encoding: gzip\r\nContent-Length: 1000000\r\n\r\n", b"x" * 1000),
        (REFUSE + b"Content-Length: 1000\r\n\r\n", b"{"),
    ],
)
async def test_an_answer_before_the_bodys_end_says_close(client: Any, parts: tuple[bytes, ...]) -> None:
    head, closed = await exchange(client, *parts)

    assert b" 4" in head
    assert b"Connection: close" in head
    assert closed
