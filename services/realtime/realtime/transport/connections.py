"""The Socket.IO server: authentication, catch-up and client events of each connection."""

import asyncio
import logging
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from time import monotonic
from typing import Any

import socketio
import structlog
from aiohttp import web
from socketio import exceptions
from socketio import packet as packet_types

from realtime.adapters.session_lookup import Authenticator
from realtime.fanout import CatchUp
from realtime.fanout.rooms import RoomMember
from realtime.presence import Presence
from realtime.transport.client_events import ClientEvents
from realtime.transport.engineio_server import EngineServer
from realtime.transport.graceful_drain import GracefulDrain
from realtime.transport.packets import MalformedPacket, read_packet
from realtime.transport.session_sweep import SessionSweep
from switchboard.http import LOOPS
from switchboard.runtime.refusals import Unauthenticated
from switchboard.runtime.unavailable import Unavailable

MAX_MESSAGE = 64 * 1024

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class ConnectionLimits:
    """`backlog_bytes`: what may wait for one slow client; `drain_spread`: how long a graceful drain takes."""

    backlog_bytes: int
    ping_interval: timedelta
    ping_timeout: timedelta
    drain_spread: timedelta


class Connections(socketio.AsyncServer):  # type: ignore[misc]
    """python-socketio's server on our Engine.IO server. It has no message queue: events come from the log alone.

    A client without a valid session is disconnected for good. One that can't be served at the moment only loses its
    connection: official clients then reconnect by themselves.
    """

    eio: EngineServer

    def __init__(
        self, authenticator: Authenticator, catch_up: CatchUp, presence: Presence, limits: ConnectionLimits
    ) -> None:
        super().__init__(
            async_mode="aiohttp",
            async_handlers=False,  # a client's messages are handled in order, one at a time
            cors_allowed_origins=[],  # the gateway checks origins
            max_http_buffer_size=MAX_MESSAGE,
            logger=_quiet("socketio"),
            engineio_logger=_quiet("engineio"),
            backlog_bytes=limits.backlog_bytes,
            session_of=authenticator.session_of,
            ping_interval=limits.ping_interval.total_seconds(),
            ping_timeout=limits.ping_timeout.total_seconds(),
        )
        self._authenticator = authenticator
        self._catch_up = catch_up
        self._presence = presence
        self._members: dict[str, RoomMember] = {}  # by Engine.IO id, as the tasks
        self._resuming: dict[str, asyncio.Task[None]] = {}
        self._drain = GracefulDrain(self.eio, catch_up.rooms, self._members, limits.drain_spread)
        self._sweep = SessionSweep(self.eio, catch_up.rooms, self._members)
        self._events = ClientEvents(presence)
        for name in self._events.handlers:
            self.on(name, partial(self._on_event, name))
        self.on("*", self._on_unknown_event)
        self.on("connect", self._on_connect)
        self.on("disconnect", self._on_disconnect)

    def attach(self, app: web.Application, socketio_path: str = "socket.io") -> None:
        """Serve `/socket.io` in this application, with the loops that connections need."""
        super().attach(app, socketio_path)
        app[LOOPS] += [self._sweep.run, self._drain.run, self._catch_up.send_cursors]

    def _engineio_server_class(self) -> type[EngineServer]:
        return EngineServer

    async def _handle_eio_message(self, eio_sid: str, data: Any) -> None:
        """Handle a packet like the library, but safely for any message."""
        socket = self.eio.sockets.get(eio_sid)
        if socket is None or socket.closing or socket.flushing:
            return
        try:
            packet = read_packet(data)
            if packet.packet_type != packet_types.EVENT and not socket.connects.take():
                raise MalformedPacket("too many packets that connect and disconnect")
            match packet.packet_type:
                case packet_types.CONNECT:
                    await self._handle_connect(eio_sid, packet.namespace, packet.data)
                case packet_types.DISCONNECT:
                    await self._handle_disconnect(eio_sid, packet.namespace, self.reason.CLIENT_DISCONNECT)
                case packet_types.EVENT:
                    await self._handle_event(eio_sid, packet.namespace, packet.id, packet.data)
        except MalformedPacket as error:
            log.info("socket_malformed_packet", reason=str(error))
            socket.close_soon("bad message")
        except Exception:
            log.exception("socket_message_failed")
            socket.close_soon("error")

    async def _on_connect(self, sid: str, environ: dict[str, Any], auth: object = None) -> bool:
        eio_sid = self.manager.eio_sid_from_sid(sid, "/")
        socket = self.eio.sockets[eio_sid]
        try:
            session = await self._authenticator.authenticate(environ["aiohttp.request"].headers, auth)
            self._members[eio_sid] = await self._catch_up.admit(session, socket)
        except Unauthenticated as refusal:
            raise exceptions.ConnectionRefusedError(refusal.code) from None
        except Unavailable as unavailable:
            log.info("socket_unavailable", reason=str(unavailable))
            await socket.flush_and_close("unavailable")
            return False
        return True

    async def _handle_connect(self, eio_sid: str, namespace: str | None, data: Any) -> None:
        """Connect like the library. After the CONNECT packet, the client resumes in a task."""
        if namespace not in (None, "/"):
            refused = {"message": "unknown_namespace"}
            packet = self.packet_class(packet_types.CONNECT_ERROR, data=refused, namespace=namespace)
            await self._send_packet(eio_sid, packet)
            return
        await super()._handle_connect(eio_sid, namespace, data)
        socket = self.eio.sockets.get(eio_sid)
        member = self._members.get(eio_sid)
        if socket is None or socket.closing:  # closed during authentication: the library didn't notify us
            await self._remove(eio_sid)
        elif member is None:
            socket.close_soon("refused")  # so that a client can't try one token after another
        elif eio_sid not in self._resuming:
            last_event_id = data.get("last_event_id") if isinstance(data, dict) else None
            self._resuming[eio_sid] = asyncio.create_task(self._resume(member, last_event_id))

    async def _resume(self, member: RoomMember, last_event_id: object) -> None:
        try:
            await self._catch_up.resume(member, last_event_id)
            self._presence.mark_online(member)
        except Unavailable as unavailable:
            log.info("socket_unavailable", reason=str(unavailable))
            member.socket.close_soon("unavailable")
        except Exception:
            log.exception("socket_resume_failed", user_id=str(member.user_id))
            member.socket.close_soon("error")

    async def _on_event(self, name: str, sid: str, payload: object = None) -> dict[str, Any]:
        member = self._members.get(self.manager.eio_sid_from_sid(sid, "/") or "")
        return await self._events.handle(name, member, payload)

    async def _on_unknown_event(self, name: str, sid: str, *_payload: object) -> dict[str, Any]:
        return await self._on_event(name, sid)

    async def _on_disconnect(self, sid: str, reason: str) -> None:
        self._unregister(self.manager.eio_sid_from_sid(sid, "/") or "")

    async def _remove(self, eio_sid: str) -> None:
        self._unregister(eio_sid)
        sid = self.manager.sid_from_eio_sid(eio_sid, "/")
        if sid is not None:
            await self.manager.disconnect(sid, "/", ignore_queue=True)
        self.environ.pop(eio_sid, None)

    def _unregister(self, eio_sid: str) -> None:
        resuming = self._resuming.pop(eio_sid, None)
        if resuming is not None:
            resuming.cancel()
        member = self._members.pop(eio_sid, None)
        if member is not None:
            self._catch_up.unregister(member)
        if eio_sid in self.eio.sockets:
            self.eio.sockets[eio_sid].unauthenticated_since = monotonic()


def _quiet(name: str) -> logging.Logger:
    logger = logging.getLogger(name)
    logger.setLevel(logging.CRITICAL)  # a client's errors are not ours
    return logger
