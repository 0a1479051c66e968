"""One client's Engine.IO connection: frames written straight to the transport, with a bounded backlog.

python-engineio makes a queue entry, a wake-up and a frame for each packet of each socket. Here a socket with an idle
writer takes a frame that was built once, with one call and no task. A frame that can't be written at once goes through
the library's own queue, in order, up to a bound in bytes.
"""

import asyncio
import sys
from time import monotonic
from typing import TYPE_CHECKING, Any
from uuid import UUID

from aiohttp import web
from engineio import exceptions
from engineio.async_socket import AsyncSocket
from engineio.packet import Packet
from engineio.payload import Payload

from realtime.fanout.frames import Frame
from realtime.transport.backpressure import Backlog, weight_of
from realtime.transport.packets import read_payload
from switchboard.runtime.rate_limits import TokenBucket

if TYPE_CHECKING:
    from realtime.transport.engineio_server import EngineServer

BYTES_PER_WRITE = 64 * 1024  # given to the writer, which then waits for the client to read; or the answer to a poll
PACKETS_PER_POLL = Payload.max_decode_packets  # python-socketio's client takes no more
CLOSE_SECONDS = 5.0
CONNECTS_PER_SECOND = 1
CONNECTS = 10


class TwoPolls(exceptions.EngineIOError):  # type: ignore[misc]
    """Two polls of one connection at the same time."""


class EngineSocket(AsyncSocket):  # type: ignore[misc]
    """One client's connection, over a WebSocket or by polling."""

    server: "EngineServer"
    queue: Backlog

    def __init__(self, server: "EngineServer", sid: str) -> None:
        super().__init__(server, sid)
        self.request: web.Request | None = None
        """The request of the WebSocket, if there is one."""
        self.unauthenticated_since = monotonic()
        self.opened_by: UUID | None = None
        """The session by which the gateway knew the client that began to poll."""
        self.connects = TokenBucket(per_second=CONNECTS_PER_SECOND, burst=CONNECTS)
        """The rate limit of CONNECT and DISCONNECT packets."""
        self.is_polled = False
        self.flushing = False
        """Whether it is closed once its backlog is sent; it takes no more messages."""
        self._writer_idle = False  # the writer waits for packets, and none is queued
        self._aborted = False  # a frame was left out: no later one may follow

    def push(self, frame: Frame) -> None:
        """Send a frame. A client too slow for its backlog is disconnected: it catches up when it reconnects."""
        if self.closing or self.closed or self._aborted:
            return
        request = self.request
        if self._writer_idle and request is not None and self.queue.empty() and not request.protocol.writing_paused:
            transport = request.transport
            if transport is not None:
                transport.write(frame.wire)
        else:
            self._enqueue(frame.packet)

    async def send(self, pkt: Packet) -> None:
        """Send a packet of the library itself: opening, ping, acknowledgement."""
        if await self.check_ping_timeout():
            self._enqueue(pkt)

    def _enqueue(self, packet: Packet) -> None:
        """Queue a packet. One of any size may always wait, more only within the bound."""
        if self.queue.weight and self.queue.weight + weight_of(packet) > self.server.backlog_bytes:
            self.server.drop_slow_client(self)
        else:
            self.queue.put_nowait(packet)

    @property
    def congested(self) -> bool:
        """Whether a quarter of the backlog is taken. Catch-up then pauses; the rest is for live events."""
        return self.queue.weight > self.server.backlog_bytes // 4

    async def wait_drained(self) -> None:
        """Wait until the socket is no longer congested, or closed."""
        # Polled, since an event would cost something at each push.
        while self.congested and not self.closed:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    async def handle_post_request(self, environ: dict[str, Any]) -> None:
        """Handle a POST like the library, but safely for any body. Raises `EngineIOError`."""
        max_size = self.server.max_http_buffer_size
        if int(environ.get("CONTENT_LENGTH", "0")) > max_size:
            raise exceptions.ContentTooLongError
        for packet in read_payload(await environ["aiohttp.request"].read(), max_size):
            await self.receive(packet)

    async def handle_get_request(self, environ: dict[str, Any]) -> Any:
        """Handle a poll, or an upgrade to WebSocket. Raises `EngineIOError`.

        A second poll at the same time ends the connection, as the protocol's test suite wants it.
        """
        if "HTTP_UPGRADE" in environ:
            return await super().handle_get_request(environ)
        if self.is_polled:
            await self.close(wait=False)
            raise TwoPolls
        self.is_polled = True
        try:
            return await super().handle_get_request(environ)
        finally:
            self.is_polled = False

    async def poll(self) -> list[Packet]:
        """Poll like the library, but without a task for the wait, and with a bound on a WebSocket's batch."""
        self._writer_idle = self.upgraded
        try:
            async with asyncio.timeout(self.server.ping_interval + self.server.ping_timeout):
                first = await self.queue.get()
        except (TimeoutError, asyncio.CancelledError):
            raise exceptions.QueueEmpty() from None
        finally:
            self._writer_idle = False
        self.queue.task_done()
        return [] if first is None else self._with_queued(first)

    def _with_queued(self, first: Packet) -> list[Packet]:
        packets, weight = [first], weight_of(first)
        limit = PACKETS_PER_POLL if not self.upgraded else sys.maxsize
        while not self.queue.empty() and weight < BYTES_PER_WRITE and len(packets) < limit:
            packet = self.queue.get_nowait()
            self.queue.task_done()
            if packet is None:
                self.queue.put_nowait(None)
                break
            packets.append(packet)
            weight += weight_of(packet)
        return packets

    def abort(self) -> None:
        """Close the connection at once and drop its backlog. A pending poll gets nothing more."""
        self._aborted = True
        self.queue.drop_all()
        if self.request is not None and self.request.transport is not None:
            self.request.transport.abort()

    async def close(self, wait: bool = True, abort: bool = False, reason: str | None = None) -> None:
        """Close like the library, and also wake a writer or a poll that waits for packets, so that it ends."""
        if not self.closed and not self.closing:
            await super().close(wait=False, abort=abort, reason=reason)
            self.queue.put_nowait(None)

    def close_soon(self, reason: str) -> None:
        """Close the connection in the background, after the frames that were pushed."""
        self.server.close_soon(self, reason)

    async def flush_and_close(self, reason: str) -> None:
        """Send the backlog, within `CLOSE_SECONDS`, and close the connection.

        It sends no CLOSE of Engine.IO: after one python-socketio's client would not reconnect by itself.
        """
        self.flushing = True
        if self.request is None:  # it polls, and could not fetch what is queued from a connection that is closed
            await self._wait_flushed()
            await self.close(abort=True, reason=reason)
            return
        await self.close(abort=True, reason=reason)
        if not await self._wait_flushed():
            self.abort()

    async def _wait_flushed(self) -> bool:
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self.queue.join()
        except TimeoutError:
            return False
        return True

    async def remove(self) -> None:
        """Forget a connection that is gone, also when the library was interrupted before it noticed."""
        await self.close(abort=True, reason=self.server.reason.TRANSPORT_CLOSE)
        self.server.sockets.pop(self.sid, None)
