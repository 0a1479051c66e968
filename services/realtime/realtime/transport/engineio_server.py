"""Engine.IO as we need it: frames written straight to the transport, and a bound on what waits for a slow client.

python-engineio makes a queue entry, a wake-up and a frame for each packet of each socket. Here a socket whose writer
has nothing to do takes a frame that was built once, with one call and no task. Whatever can't be written at once goes
through the library's own queue, in order, up to a bound in bytes.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from typing import Any

import engineio
from aiohttp import WSMsgType, web
from engineio import exceptions
from engineio.async_socket import AsyncSocket
from engineio.packet import OPEN, Packet
from engineio.payload import Payload
from prometheus_client import Counter

from realtime.fanout.frames import Frame
from realtime.transport.packets import Senseless, check_frame, read_payload

PACKET_WEIGHT = 64  # what a small packet costs in memory, roughly
BYTES_AT_ONCE = 64 * 1024  # handed to the writer, which then waits for the client to read; or answered to a poll
PACKETS_AT_ONCE = Payload.max_decode_packets  # answered to a poll: python-socketio's client takes no more
CLOSING_SECONDS = 5.0
STICKY_HEADER = "X-Switchboard-Sticky"
STICKY = re.compile("[0-9a-f]{16}")


class Backlog(asyncio.Queue[Packet | None]):
    """What waits for one client, weighed."""

    def _init(self, maxsize: int) -> None:
        super()._init(maxsize)
        self.weight = 0

    def _put(self, item: Packet | None) -> None:
        super()._put(item)
        self.weight += weigh(item)

    def _get(self) -> Packet | None:
        item: Packet | None = super()._get()
        self.weight -= weigh(item)
        return item


def weigh(packet: Packet | None) -> int:
    """In bytes, about."""
    if packet is None:
        return 0
    encoded = packet.encode_cache if packet.encode_cache is not None else packet.data
    return PACKET_WEIGHT + (len(encoded) if isinstance(encoded, (str, bytes)) else 0)


class Socket(AsyncSocket):  # type: ignore[misc]
    """One client's connection, over whichever transport it has."""

    server: Engine
    queue: Backlog

    def __init__(self, server: Engine, sid: str) -> None:
        super().__init__(server, sid)
        self.request: web.Request | None = None  # the WebSocket's
        self.since = time.monotonic()
        self._idle = False  # the writer waits, and nothing waits for the writer
        self._cut_off = False  # something was left out: nothing that comes later may follow

    def push(self, frame: Frame) -> None:
        """Send a frame. A client too slow for its backlog is cut off: what it misses it can catch up on later."""
        if self.closing or self.closed or self._cut_off:
            return
        request = self.request
        if self._idle and request is not None and self.queue.empty() and not request.protocol.writing_paused:
            transport = request.transport
            if transport is not None:
                transport.write(frame.wire)
        else:
            self._enqueue(frame.packet)

    async def send(self, pkt: Packet) -> None:
        """What the library itself sends: openings, pings, acknowledgements."""
        if await self.check_ping_timeout():
            self._enqueue(pkt)

    def _enqueue(self, packet: Packet) -> None:
        """One packet, however large, may always wait; more, as far as the bound allows."""
        if self.queue.weight and self.queue.weight + weigh(packet) > self.server.backlog_bytes:
            self.server.drop(self)
        else:
            self.queue.put_nowait(packet)

    @property
    def crowded(self) -> bool:
        """A quarter of the bound is taken: the rest is for what can't be put off."""
        return self.queue.weight > self.server.backlog_bytes // 4

    async def drained(self) -> None:
        """Wait until most of what was pushed has gone out, or the socket has."""
        # Looked at again and again: an event would cost something at each push.
        while self.crowded and not self.closed:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    async def handle_post_request(self, environ: dict[str, Any]) -> None:
        """As the library's, for bodies that may hold anything. Raises `EngineIOError`."""
        longest = self.server.max_http_buffer_size
        if int(environ.get("CONTENT_LENGTH", "0")) > longest:
            raise exceptions.ContentTooLongError
        for packet in read_payload(await environ["aiohttp.request"].read(), longest):
            await self.receive(packet)

    async def poll(self) -> list[Packet]:
        """As the library's, without a task for the waiting; and over a WebSocket only so much at once."""
        self._idle = self.upgraded
        try:
            async with asyncio.timeout(self.server.ping_interval + self.server.ping_timeout):
                first = await self.queue.get()
        except (TimeoutError, asyncio.CancelledError):
            raise exceptions.QueueEmpty() from None
        finally:
            self._idle = False
        self.queue.task_done()
        return [] if first is None else self._with_those_waiting(first)

    def _with_those_waiting(self, first: Packet) -> list[Packet]:
        packets, weight = [first], weigh(first)
        most = PACKETS_AT_ONCE if not self.upgraded else sys.maxsize
        while not self.queue.empty() and weight < BYTES_AT_ONCE and len(packets) < most:
            packet = self.queue.get_nowait()
            self.queue.task_done()
            if packet is None:
                self.queue.put_nowait(None)
                break
            packets.append(packet)
            weight += weigh(packet)
        return packets

    def abort(self) -> None:
        """Cut the connection off, whatever waits to be sent. A poll that is under way gets nothing more."""
        self._cut_off = True
        while not self.queue.empty():
            self.queue.get_nowait()
            self.queue.task_done()
        if self.request is not None and self.request.transport is not None:
            self.request.transport.abort()

    async def close(self, wait: bool = True, abort: bool = False, reason: str | None = None) -> None:
        """As the library's; and whoever waits for something to send ends, rather than waiting on for nothing."""
        if not self.closed and not self.closing:
            await super().close(wait=False, abort=abort, reason=reason)
            self.queue.put_nowait(None)

    async def end(self) -> None:
        """The connection is gone, also where the library was interrupted before it noticed."""
        await self.close(abort=True, reason=self.server.reason.TRANSPORT_CLOSE)
        self.server.sockets.pop(self.sid, None)

    async def finish(self, reason: str) -> None:
        """Let what waits go out, and close; within a bound.

        Without Engine.IO's CLOSE: python-socketio's client, so told, would not come back by itself.
        """
        await self.close(abort=True, reason=reason)
        if self.request is not None:
            try:
                async with asyncio.timeout(CLOSING_SECONDS):
                    await self.queue.join()
            except TimeoutError:
                self.abort()


class WebSocket:
    """Takes the place of the library's adapter to aiohttp. No compression: it would cost 300 KB a connection."""

    def __init__(self, handler: Any, server: Engine) -> None:
        self._handler = handler
        self._socket: Socket = handler.__self__
        self._response = web.WebSocketResponse(
            compress=False, max_msg_size=server.max_http_buffer_size, timeout=CLOSING_SECONDS
        )

    async def __call__(self, environ: dict[str, Any]) -> web.WebSocketResponse:
        request: web.Request = environ["aiohttp.request"]
        if self._socket.request is not None:
            raise web.HTTPBadRequest  # one upgrade at a time
        self._socket.request = request
        try:
            await self._response.prepare(request)
            await self._handler(self)
        finally:
            self._socket.request = None
            if self._socket.upgraded:
                await self._socket.end()
            else:
                self._socket.upgrading = False  # else the client, that polls on, would get nothing but empty answers
        return self._response

    async def send(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            await self._response.send_bytes(message)
        else:
            await self._response.send_str(message)

    async def wait(self) -> str:
        message = await self._response.receive()
        if message.type is not WSMsgType.TEXT:
            raise OSError("the client is gone, or sends what is no text")
        try:
            return check_frame(message.data)
        except Senseless as trouble:
            raise OSError(str(trouble)) from None  # what the library takes for an end

    async def close(self) -> None:
        await self._response.close()


class Engine(engineio.AsyncServer):  # type: ignore[misc]
    """The Engine.IO server of these sockets."""

    sockets: dict[str, Socket]
    start_service_task: bool
    _async: dict[str, Any]

    def __init__(self, *, backlog_bytes: int = 1024 * 1024, **options: Any) -> None:
        super().__init__(**options)
        self.backlog_bytes = backlog_bytes
        self.dropped: Counter | None = None
        self._async = {**self._async, "websocket": WebSocket}
        self._partings: set[asyncio.Task[None]] = set()

    def create_queue(self, *args: Any, **options: Any) -> Backlog:
        return Backlog()

    def drop(self, socket: Socket) -> None:
        """A client that doesn't read, or not fast enough."""
        if self.dropped is not None:
            self.dropped.inc()
        socket.abort()
        self.part(socket, "too slow")

    def part(self, socket: Socket, reason: str) -> None:
        """Close a socket from where nothing can wait."""
        task = asyncio.ensure_future(socket.finish(reason))
        self._partings.add(task)
        task.add_done_callback(self._partings.discard)

    async def parted(self) -> None:
        """Wait for all that are being closed."""
        if self._partings:
            await asyncio.wait(self._partings)

    async def _handle_connect(self, environ: dict[str, Any], transport: str, jsonp_index: int | None = None) -> Any:
        """As the library's (4.15), but with our own socket class, for which it has no hook."""
        if self.start_service_task:
            self.start_service_task = False
            self.service_task_handle = self.start_background_task(self._service_task)
        sid = self._name(environ["aiohttp.request"])
        socket = self.sockets[sid] = Socket(self, sid)
        await socket.send(Packet(OPEN, self._opening(sid, transport)))
        refused = await self._trigger_event("connect", sid, environ, run_async=False)
        if refused is not None and refused is not True:
            del self.sockets[sid]
            return self._unauthorized(refused or None)
        socket.schedule_ping()
        if transport == "websocket":
            return await socket.handle_get_request(environ)
        socket.connected = True
        try:
            return self._ok(await socket.poll(), jsonp_index=jsonp_index)
        except exceptions.QueueEmpty:
            return self._bad_request()

    def _name(self, request: web.Request) -> str:
        """A new sid; behind a gateway that has to find us by it again, it begins with what we were chosen by."""
        sticky = request.headers.get(STICKY_HEADER, "")
        sid: str = self.generate_id()
        return f"{sticky}.{sid}" if STICKY.fullmatch(sticky) else sid

    def _opening(self, sid: str, transport: str) -> dict[str, Any]:
        return {
            "sid": sid,
            "upgrades": self._upgrades(sid, transport),
            "pingTimeout": int(self.ping_timeout * 1000),
            "pingInterval": int(self.ping_interval * 1000),
            "maxPayload": self.max_http_buffer_size,
        }
