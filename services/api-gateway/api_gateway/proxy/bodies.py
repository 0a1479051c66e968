"""Streams a request's body to an upstream in constant memory."""

import asyncio

from aiohttp import web

from api_gateway.upstreams.connections import UpstreamConnection
from switchboard.http.problems import ExpectationFailed
from switchboard.runtime.refusals import TooLarge

STALL_SECONDS = 30.0  # how long the client or the upstream may send or take nothing


class BodyTooLarge(TooLarge):
    """The request's body is larger than this route takes."""


async def stream_body(request: web.BaseRequest, connection: UpstreamConnection, max_bytes: int) -> None:
    """Send the body on as it arrives, with the framing that the head announced.

    Raises `BodyTooLarge`, `ConnectionLost` when the upstream closes the connection, `TimeoutError` when either stalls.
    """
    await _answer_expectation(request)
    chunked = request.content_length is None
    sent = 0
    while True:
        async with asyncio.timeout(STALL_SECONDS):
            piece = await request.content.readany()
            if not piece:
                break
            sent += len(piece)
            if sent > max_bytes:
                raise BodyTooLarge
            await connection.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
    if chunked:
        await connection.write(b"0\r\n\r\n")
    connection.end_request()


async def _answer_expectation(request: web.BaseRequest) -> None:
    """Answer `Expect: 100-continue`, now that session, size and upstream have been checked."""
    expect = request.headers.get("Expect")
    if expect is None:
        return
    if expect.lower() != "100-continue":
        raise ExpectationFailed
    if request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
