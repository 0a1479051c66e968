"""The Engine.IO server: python-engineio's, with our sockets, our WebSocket transport and sticky session ids."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

import engineio
from aiohttp import web
from engineio import exceptions
from engineio.packet import OPEN, Packet
from prometheus_client import Counter

from realtime.transport.backpressure import Backlog
from realtime.transport.engine_socket import EngineSocket
from realtime.transport.websocket import WebSocketTransport

STICKY_HEADER = "X-Switchboard-Sticky"
SessionOf = Callable[[Mapping[str, str]], Awaitable[UUID | None]]
STICKY = re.compile("[0-9a-f]{16}")


class EngineServer(engineio.AsyncServer):  # type: ignore[misc]
    """All Engine.IO connections of this instance. `backlog_bytes`: the bound on what waits for one client.

    `session_of`: the session that the gateway has found for a request. The `sid` of a client that polls belongs to it.
    """

    sockets: dict[str, EngineSocket]
    start_service_task: bool
    _async: dict[str, Any]

    def __init__(self, *, backlog_bytes: int, session_of: SessionOf, **options: Any) -> None:
        super().__init__(**options)
        self.backlog_bytes = backlog_bytes
        self._session_of = session_of
        self.dropped = Counter(
            "realtime_sockets_dropped", "Connections closed because their client read too slowly", registry=None
        )
        self._async = {**self._async, "websocket": WebSocketTransport}
        self._closing: set[asyncio.Task[None]] = set()
        self.draining = False
        """Whether new connections are refused with 503: their clients try again, and reach another instance."""

    def create_queue(self, *args: Any, **options: Any) -> Backlog:
        return Backlog()

    def drop_slow_client(self, socket: EngineSocket) -> None:
        """Disconnect a client that doesn't read, or not fast enough."""
        self.dropped.inc()
        socket.abort()
        self.close_soon(socket, "too slow")

    def close_soon(self, socket: EngineSocket, reason: str) -> None:
        task = asyncio.ensure_future(socket.flush_and_close(reason))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def wait_closed(self) -> None:
        """Wait for all sockets that are being closed."""
        if self._closing:
            await asyncio.wait(self._closing)

    async def handle_request(self, request: web.Request) -> Any:
        """Handle a request like the library, unless another session than its own uses the `sid`.

        Some official clients name their session in the first request only.
        """
        socket = self.sockets.get(request.query.get("sid", ""))
        if socket is not None:
            session = await self._session_of(request.headers)
            if session is not None and session != socket.opened_by:
                return web.Response(status=400, text="Invalid session")
        return await super().handle_request(request)

    async def _handle_connect(self, environ: dict[str, Any], transport: str, jsonp_index: int | None = None) -> Any:
        """Connect like the library (4.15), but with our own socket class, for which it has no hook."""
        if self.draining:
            return {"status": "503 SERVICE UNAVAILABLE", "headers": [], "response": b""}
        if self.start_service_task:
            self.start_service_task = False
            self.service_task_handle = self.start_background_task(self._service_task)
        opened_by = await self._session_of(environ["aiohttp.request"].headers) if transport == "polling" else None
        sid = self._sticky_id(environ["aiohttp.request"])
        socket = self.sockets[sid] = EngineSocket(self, sid)
        socket.opened_by = opened_by
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

    def _sticky_id(self, request: web.Request) -> str:
        """A new sid. It begins with the key by which the gateway chose this instance, so that it finds it again."""
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
