"""A request's body on its way to the upstream, in constant memory."""

from __future__ import annotations

import asyncio

from aiohttp import web

from api_gateway.upstreams.connections import Connection
from switchboard.http.problems import ExpectationFailed
from switchboard.runtime.refusals import TooLarge

STALLED_SECONDS = 30.0  # how long client or upstream may keep the other waiting for the next bytes


class BodyTooLarge(TooLarge):
    """The request's body is larger than this route takes."""


async def send_body(request: web.BaseRequest, connection: Connection, most: int) -> None:
    """Send the body on as it comes, in the framing that the head announced.

    Raises `BodyTooLarge` past `most` bytes, `Lost` when the upstream broke off, `TimeoutError` when either side stalls.
    """
    await _invite(request)
    chunks = request.content_length is None
    sent = 0
    while True:
        async with asyncio.timeout(STALLED_SECONDS):
            piece = await request.content.readany()
            if not piece:
                break
            sent += len(piece)
            if sent > most:
                raise BodyTooLarge
            await connection.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunks else piece)
    if chunks:
        await connection.write(b"0\r\n\r\n")
    connection.sent_whole()


async def _invite(request: web.BaseRequest) -> None:
    """A client that asks first, by `Expect: 100-continue`, is told to go on: session, size and upstream are fine."""
    expect = request.headers.get("Expect")
    if expect is None:
        return
    if expect.lower() != "100-continue":
        raise ExpectationFailed
    if request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
