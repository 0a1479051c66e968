"""`/socket.io`: websockets are checked once, at the handshake, and then passed through; polling sticks to an instance.

Realtime puts what it was chosen by before the `sid` that it gives: whatever else the client's later requests say of it
(Node's names its agent when it polls, and not when it goes over to a websocket), they find the same instance.

A client without a valid session is passed on without an identity: realtime tells it so in Socket.IO's own words, or
takes the token that comes in its first packet.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from api_gateway.proxy.bodies import BodyTooLarge
from api_gateway.proxy.handler import Proxy
from api_gateway.proxy.pipes import splice
from api_gateway.proxy.request import Incoming
from api_gateway.proxy.upstream_response import Relayed
from api_gateway.upstreams.dispatch import Outgoing, fly
from api_gateway.upstreams.headers import NOT_RETURNED
from api_gateway.upstreams.upstreams import Upstream
from switchboard.runtime.background import Stop

POLL_SECONDS = 60.0  # realtime answers a poll within its ping interval of 25
POLL_BODY = 1024 * 1024
BODY_SECONDS = 30.0
STICKY = b"X-Switchboard-Sticky: "
UPGRADE = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"


@dataclass(frozen=True)
class Sockets:
    """Passes Socket.IO clients on to realtime."""

    proxy: Proxy
    realtime: Upstream
    _open: set[asyncio.Transport] = field(default_factory=set)

    async def pass_on(self, incoming: Incoming) -> web.StreamResponse:
        """Raises a `Refusal`: `CrossOrigin`, or that realtime is away."""
        request = incoming.request
        incoming.route = "socket.io"
        self.proxy.limits.count("address", incoming.address)
        token, by_cookie = self.proxy.credentials.find(request)
        if token is not None and by_cookie:
            self.proxy.credentials.check_origin(request)
        visitor = await self.proxy.sessions.find(token) if token else None
        incoming.visitor = visitor
        lines = self.proxy.head_lines(incoming, visitor, "realtime")
        sid = request.query.get("sid")
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._websocket(incoming, lines, self._key(incoming, token, sid) if sid else None)
        return await self._poll(incoming, lines, self._key(incoming, token, sid), is_handshake=sid is None)

    async def closing(self, stop: Stop) -> None:
        """When stopping, websockets are closed at once: their clients come back to another gateway."""
        await stop.wait()
        for transport in list(self._open):
            transport.close()

    async def _websocket(self, incoming: Incoming, lines: list[bytes], key: bytes | None) -> web.StreamResponse:
        lines += [UPGRADE, b"\r\n"]
        outgoing = Outgoing(_line(incoming), b"".join(lines), b"", repeatable=True, key=key)
        flight = await fly(self.realtime, outgoing)
        if not flight.exchange.upgraded:
            return Relayed(flight, incoming.ours(), incoming.done, close=True)
        ended = asyncio.Event()
        try:
            head = _switching_head(flight.exchange.headers, incoming.request_id)
            client = splice(incoming.request, flight.connection, head, ended.set)
        except BaseException:
            flight.land()
            raise
        self._open.add(client)
        flight.instance.passed_through += 1
        try:
            await ended.wait()
        finally:
            client.close()
            self._open.discard(client)
            flight.instance.passed_through -= 1
            flight.land()
            incoming.done(101)
        return PassedThrough()

    async def _poll(self, incoming: Incoming, lines: list[bytes], key: bytes, *, is_handshake: bool) -> Relayed:
        request = incoming.request
        body = b""
        if request.body_exists:
            if (request.content_length or 0) > POLL_BODY:
                raise BodyTooLarge
            async with asyncio.timeout(BODY_SECONDS):
                body = await request.read()
        if is_handshake:
            lines.append(STICKY + key + b"\r\n")
        lines += [b"Content-Length: %d\r\n" % len(body) if body else b"", b"\r\n"]
        outgoing = Outgoing(
            _line(incoming), b"".join(lines), body, repeatable=is_handshake, key=key, answer_within=POLL_SECONDS
        )
        flight = await fly(self.realtime, outgoing)
        return Relayed(flight, incoming.ours(), incoming.done, close=incoming.is_last)

    def _key(self, incoming: Incoming, token: str | None, sid: str | None) -> bytes:
        """What a client's requests choose an instance by: said in its `sid`, or its token, else its address and agent.

        Lower-case hexadecimal digits, unless a client made its `sid` up.
        """
        said, dot, _ = (sid or "").partition(".")
        if dot:
            return said.encode("utf-8", "surrogateescape")
        agent = incoming.request.headers.get("User-Agent", "")
        text = token or f"{incoming.address} {agent}"
        return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8).hexdigest().encode()


class PassedThrough(web.StreamResponse):
    """Nothing is left to answer: the connection was another's since its handshake."""

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        self._keep_alive = False
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        pass


def _line(incoming: Incoming) -> bytes:
    return f"{incoming.request.method} {incoming.target} HTTP/1.1\r\n".encode("utf-8", "surrogateescape")


def _switching_head(headers: list[tuple[bytes, bytes]], request_id: str) -> bytes:
    lines = [b"HTTP/1.1 101 Switching Protocols\r\n", UPGRADE, f"X-Request-Id: {request_id}\r\n".encode()]
    lines += [b"%b: %b\r\n" % (name, value) for name, value in headers if name not in NOT_RETURNED]
    return b"".join(lines) + b"\r\n"
