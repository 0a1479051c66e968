"""Streams a request's body to an upstream in constant memory."""

import asyncio
from time import monotonic

from aiohttp import web

from api_gateway.upstreams.connections import UpstreamConnection
from switchboard.http.problems import ExpectationFailed
from switchboard.runtime.refusals import Refusal, TooLarge

STALL_SECONDS = 30.0  # how long the client or the upstream may send or take nothing
SLOW_SECONDS = 30.0  # how long the gateway may wait for a client's body that is slower than `MIN_RATE`
MIN_RATE = 1024  # bytes a second, on average


class BodyTooLarge(TooLarge):
    """The request's body is larger than this route takes."""


class BodyTooSlow(Refusal):
    """The request's body arrives too slowly."""

    code = "body_too_slow"
    status = 408


async def read_body(request: web.BaseRequest) -> bytes:
    """A small body. Raises `BodyTooSlow`."""
    try:
        async with asyncio.timeout(SLOW_SECONDS):
            return await request.read()
    except TimeoutError:
        raise BodyTooSlow from None


async def stream_body(request: web.BaseRequest, connection: UpstreamConnection, max_bytes: int) -> None:
    """Send the body on as it arrives, with the framing that the head announced.

    Raises `BodyTooLarge`, `BodyTooSlow`, `ConnectionLost` when the upstream closes the connection, `TimeoutError` when
    it takes nothing.
    """
    await _answer_expectation(request)
    chunked = request.content_length is None
    sent, waited = 0, 0.0  # bytes; seconds of waiting for the client, not for the upstream
    while True:
        began = monotonic()
        try:
            async with asyncio.timeout(min(STALL_SECONDS, SLOW_SECONDS + sent / MIN_RATE - waited)):
                piece = await request.content.readany()
        except TimeoutError:
            raise BodyTooSlow from None
        waited += monotonic() - began
        if not piece:
            break
        sent += len(piece)
        if sent > max_bytes:
            raise BodyTooLarge
        async with asyncio.timeout(STALL_SECONDS):
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
