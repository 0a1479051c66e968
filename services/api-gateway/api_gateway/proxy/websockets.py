"""Proxies `/socket.io/`: WebSockets, and sticky sessions for long polling.

A WebSocket is authenticated at its handshake; then its bytes pass unparsed. The requests of one Socket.IO client go to
one instance of realtime, chosen by a sticky key. Realtime puts the key in front of the `sid` that it gives out: later
requests find the instance by it, whatever else they look like (Node's client only sends its User-Agent when polling).

A client without a valid session is forwarded without an identity: realtime refuses it in Socket.IO's protocol, or
takes the token from its first packet.
"""

import asyncio
import hashlib
from contextlib import suppress
from dataclasses import replace

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from api_gateway.proxy.bodies import BodyTooLarge, read_body
from api_gateway.proxy.handler import Proxy, TenantSuspended
from api_gateway.proxy.headers import NOT_RETURNED
from api_gateway.proxy.request import ProxyRequest
from api_gateway.proxy.splicing import splice
from api_gateway.proxy.upstream_response import UpstreamResponse
from api_gateway.upstreams.dispatch import OutgoingRequest, dispatch
from switchboard.runtime.background import Stop
from switchboard.runtime.refusals import Refusal

POLL_SECONDS = 60.0  # realtime answers a poll within its ping interval of 25
POLL_BODY = 1024 * 1024
END_POLL_SECONDS = 2.0
POLL_ENDING = b"5"
"""An Engine.IO packet "upgrade": realtime answers the client's poll at once, with a "noop" after what it has."""
STICKY_HEADER = b"X-Switchboard-Sticky: "
UPGRADE = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"


class WebSocketProxy:
    """Forwards Socket.IO clients to realtime."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._realtime = proxy.upstreams["realtime"]
        self._open: set[asyncio.Transport] = set()
        self._polls: dict[ProxyRequest, OutgoingRequest] = {}
        """The held polls, and for each the request that ends it."""
        self._stopping = False

    async def handle(self, incoming: ProxyRequest) -> web.StreamResponse:
        """Forward a handshake or a poll. Raises a `Refusal`."""
        request = incoming.request
        incoming.route = "socket.io"
        self._proxy.limits.address.count(incoming.limit_key)
        token, incoming.resolved = await self._proxy.authentication.resolve(request, requires_origin=True)
        if incoming.resolved is not None and incoming.resolved.suspended:
            raise TenantSuspended
        lines = self._proxy.upstream_headers(incoming, "realtime")
        sid = request.query.get("sid")
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._websocket(incoming, lines, _sticky_key(incoming, token, sid) if sid else None)
        return await self._poll(incoming, lines, _sticky_key(incoming, token, sid), is_handshake=sid is None)

    async def run(self, stop: Stop) -> None:
        """On `stop` (graceful shutdown) close all WebSockets and end all polls: clients turn to another gateway."""
        await stop.wait()
        self._stopping = True
        for transport in list(self._open):
            transport.close()
        await asyncio.gather(*(self._end_poll(ending) for ending in self._polls.values()))

    async def _websocket(
        self, incoming: ProxyRequest, lines: list[bytes], sticky_key: bytes | None
    ) -> web.StreamResponse:
        lines += [UPGRADE, b"\r\n"]
        outgoing = OutgoingRequest(incoming.request_line(), b"".join(lines), b"", retryable=True, sticky_key=sticky_key)
        sent = await dispatch(self._realtime, outgoing)
        if not sent.exchange.upgraded:
            return UpstreamResponse(incoming, sent, close=True)
        ended = asyncio.Event()
        try:
            head = _switching_protocols(sent.exchange.headers, incoming.request_id)
            client = splice(incoming.request, sent.connection, head, ended.set)
        except BaseException:
            sent.release()
            raise
        self._open.add(client)
        sent.instance.websockets += 1
        try:
            await ended.wait()
        finally:
            client.close()
            self._open.discard(client)
            sent.instance.websockets -= 1
            sent.release()
            incoming.finish(101)
        return AlreadyAnswered()

    async def _poll(
        self, incoming: ProxyRequest, lines: list[bytes], sticky_key: bytes, *, is_handshake: bool
    ) -> UpstreamResponse:
        request = incoming.request
        body = b""
        if request.body_exists:
            if (request.content_length or 0) > POLL_BODY:
                raise BodyTooLarge
            body = await read_body(request)
        if is_handshake:
            lines.append(STICKY_HEADER + sticky_key + b"\r\n")
        polling = OutgoingRequest(
            incoming.request_line(),
            b"".join([*lines, b"Content-Length: %d\r\n" % len(body) if body else b"", b"\r\n"]),
            body,
            retryable=is_handshake,
            sticky_key=sticky_key,
            timeout=POLL_SECONDS,
        )
        if is_handshake or request.method != "GET":
            return UpstreamResponse(incoming, await dispatch(self._realtime, polling))
        self._polls[incoming] = ending = replace(
            polling,
            line=f"POST {incoming.target} HTTP/1.1\r\n".encode("utf-8", "surrogateescape"),
            headers=b"".join([*lines, b"Content-Length: %d\r\n\r\n" % len(POLL_ENDING)]),
            body=POLL_ENDING,
            timeout=END_POLL_SECONDS,
        )
        try:
            if self._stopping:
                await self._end_poll(ending)
            return UpstreamResponse(incoming, await dispatch(self._realtime, polling))
        finally:
            del self._polls[incoming]

    async def _end_poll(self, ending: OutgoingRequest) -> None:
        with suppress(Refusal):  # the poll ends with its instance, or at the deadline of the shutdown
            (await dispatch(self._realtime, ending)).release()


class AlreadyAnswered(web.StreamResponse):
    """A response that writes nothing: the connection has been spliced."""

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        self._keep_alive = False
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        pass


def _sticky_key(incoming: ProxyRequest, token: str | None, sid: str | None) -> bytes:
    """The key that chooses the instance: the one in the `sid`, else a hash of the token or of address and User-Agent.

    Lower-case hexadecimal digits, unless a client made its `sid` up.
    """
    key, dot, _ = (sid or "").partition(".")
    if dot:
        return key.encode("utf-8", "surrogateescape")
    agent = incoming.request.headers.get("User-Agent", "")
    text = token or f"{incoming.address} {agent}"
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8).hexdigest().encode()


def _switching_protocols(headers: list[tuple[bytes, bytes]], request_id: str) -> bytes:
    lines = [
        b"HTTP/1.1 101 Switching Protocols\r\n",
        UPGRADE,
        b"Server: switchboard\r\n",
        f"X-Request-Id: {request_id}\r\n".encode(),
    ]
    lines += [b"%b: %b\r\n" % (name, value) for name, value in headers if name not in NOT_RETURNED]
    return b"".join(lines) + b"\r\n"
