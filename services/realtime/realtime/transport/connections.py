"""The Socket.IO server: connecting, leaving, and being shown out."""

from __future__ import annotations

import asyncio
import logging
import random
from datetime import UTC, datetime
from functools import partial
from time import monotonic
from typing import Any
from uuid import UUID

import orjson
import socketio
import structlog
from socketio import exceptions
from socketio import packet as kinds

from realtime.adapters.session_lookup import Door
from realtime.fanout.catch_up import Arrivals
from realtime.fanout.frames import Frame, event_frame
from realtime.fanout.rooms import Member, Rooms
from realtime.log.entries import Entry
from realtime.presence.presence import Presence
from realtime.transport.client_events import Talking
from realtime.transport.engineio_server import Engine, Socket
from realtime.transport.packets import Senseless, read_packet
from switchboard.contracts.auth import SessionRevoked
from switchboard.runtime.background import Stop
from switchboard.runtime.refusals import Unauthenticated
from switchboard.runtime.unavailable import Unavailable

SWEEP_SECONDS = 1.0
PATIENCE_SECONDS = 30.0  # with a connection that never says who it is
LONGEST_MESSAGE = 64 * 1024
GO_AND_STAY_AWAY = Frame(b"41")  # Socket.IO's DISCONNECT: clients don't come back by themselves

log = structlog.get_logger(__name__)


def closing(reason: str) -> Frame:
    """What a client is told before we close its connection."""
    return event_frame("session.closing", {"reason": reason})


CLOSING = closing("going away")


class Sockets(socketio.AsyncServer):  # type: ignore[misc]
    """python-socketio's server on our engine. It has no message queue: events come from the log alone.

    Whoever must not be here is disconnected for good; whoever can't be served just now only loses the connection, and
    official clients then come back by themselves.
    """

    eio: Engine

    def __init__(self, rooms: Rooms, *, spread: float = 3.0, doubt_after: float = 65.0, **options: Any) -> None:
        super().__init__(
            async_mode="aiohttp",
            async_handlers=False,  # a client's messages are taken in their order, one at a time
            cors_allowed_origins=[],  # the gateway checks origins
            max_http_buffer_size=LONGEST_MESSAGE,
            logger=_quiet("socketio"),
            engineio_logger=_quiet("engineio"),
            **options,
        )
        self._rooms = rooms
        self._spread = spread  # seconds over which clients are sent away at the end
        self._doubt_after = doubt_after  # seconds, until no gateway can remember a session that has ended
        self._members: dict[str, Member] = {}  # by the engine's id
        self._welcomes: dict[str, asyncio.Task[None]] = {}

    def _engineio_server_class(self) -> type[Engine]:
        return Engine

    def open_to(self, door: Door, arrivals: Arrivals, presence: Presence) -> None:
        """From now on, take in whoever the door lets pass."""
        self._door = door
        self._arrivals = arrivals
        self._presence = presence
        talking = Talking(presence)
        for name in talking.table:
            self.on(name, partial(self._on_talk, talking, name))
        self.on("*", partial(self._on_other_talk, talking))
        self.on("connect", self._on_connect)
        self.on("disconnect", self._on_disconnect)

    def member(self, sid: str) -> Member | None:
        """Who talks to us under this Socket.IO id."""
        return self._members.get(self.manager.eio_sid_from_sid(sid, "/") or "")

    async def _handle_eio_message(self, eio_sid: str, data: Any) -> None:
        """As the library's, for clients that may send anything."""
        socket = self.eio.sockets.get(eio_sid)
        if socket is None or socket.closing:
            return
        try:
            packet = read_packet(data)
            match packet.packet_type:
                case kinds.CONNECT:
                    await self._handle_connect(eio_sid, packet.namespace, packet.data)
                case kinds.DISCONNECT:
                    await self._handle_disconnect(eio_sid, packet.namespace, self.reason.CLIENT_DISCONNECT)
                case kinds.EVENT:
                    await self._handle_event(eio_sid, packet.namespace, packet.id, packet.data)
        except Senseless as trouble:
            log.info("socket_talks_nonsense", reason=str(trouble))
            self.eio.part(socket, "bad message")
        except Exception:
            log.exception("socket_message_failed")
            self.eio.part(socket, "error")

    async def _on_connect(self, sid: str, environ: dict[str, Any], auth: object = None) -> bool:
        eio_sid = self.manager.eio_sid_from_sid(sid, "/")
        socket = self.eio.sockets[eio_sid]
        try:
            visitor = await self._door.identify(environ["aiohttp.request"].headers, auth)
            self._members[eio_sid] = await self._arrivals.take_in(visitor, socket)
        except Unauthenticated:
            raise exceptions.ConnectionRefusedError("unauthenticated") from None
        except Unavailable as outage:
            log.info("socket_put_off", reason=str(outage))
            await socket.finish("unavailable")
            return False
        return True

    async def _handle_connect(self, eio_sid: str, namespace: str | None, data: Any) -> None:
        """As the library's. Then, the client having got its CONNECT packet, what it is to hear first."""
        await super()._handle_connect(eio_sid, namespace, data)
        socket = self.eio.sockets.get(eio_sid)
        member = self._members.get(eio_sid)
        if socket is None or socket.closing:  # it went while we looked who it was: the library didn't tell us
            await self._forget(eio_sid)
        elif member is None:
            if namespace in (None, "/"):
                self.eio.part(socket, "refused")  # so that nobody tries one token after another
        elif eio_sid not in self._welcomes:
            last_event_id = data.get("last_event_id") if isinstance(data, dict) else None
            self._welcomes[eio_sid] = asyncio.create_task(self._welcome(member, last_event_id))

    async def _welcome(self, member: Member, last_event_id: object) -> None:
        try:
            await self._arrivals.bring_up_to_date(member, last_event_id)
            self._presence.enter(member)
        except Unavailable as outage:
            log.info("socket_put_off", reason=str(outage))
            self.let_go(member, "unavailable")
        except Exception:
            log.exception("welcome_failed", user_id=str(member.user_id))
            self.let_go(member, "error")

    async def _on_talk(self, talking: Talking, name: str, sid: str, said: object = None) -> dict[str, Any]:
        return await talking.answer(name, self.member(sid), said)

    async def _on_other_talk(self, talking: Talking, name: str, sid: str, *_said: object) -> dict[str, Any]:
        return await talking.answer(name, self.member(sid), None)

    async def _on_disconnect(self, sid: str, reason: str) -> None:
        self._see_off(self.manager.eio_sid_from_sid(sid, "/") or "")

    async def _forget(self, eio_sid: str) -> None:
        self._see_off(eio_sid)
        sid = self.manager.sid_from_eio_sid(eio_sid, "/")
        if sid is not None:
            await self.manager.disconnect(sid, "/", ignore_queue=True)
        self.environ.pop(eio_sid, None)

    def _see_off(self, eio_sid: str) -> None:
        welcome = self._welcomes.pop(eio_sid, None)
        if welcome is not None:
            welcome.cancel()
        member = self._members.pop(eio_sid, None)
        if member is not None:
            self._arrivals.see_off(member)
        if eio_sid in self.eio.sockets:
            self.eio.sockets[eio_sid].since = monotonic()

    def show_out(self, member: Member, reason: str) -> None:
        """Disconnect a member who must not be here any more."""
        member.leaving = True
        member.socket.push(closing(reason))
        member.socket.push(GO_AND_STAY_AWAY)
        self.let_go(member, reason)

    def let_go(self, member: Member, reason: str) -> None:
        """Close a member's connection; its client will come back."""
        if isinstance(member.socket, Socket):
            self.eio.part(member.socket, reason)

    def reload(self, member: Member) -> None:
        """A member may have missed something that we can't send again: tell it to start anew.

        We may have missed the end of its session too. So it has to come back after a while, through the door.
        """
        self._arrivals.start_anew(member)
        member.doubted_from = member.doubted_from or monotonic() + self._doubt_after * random.uniform(1, 1.5)

    def revoke(self, tenant: UUID, entry: Entry) -> None:
        """Sessions have ended: close their sockets."""
        end = SessionRevoked.read(orjson.loads(entry.data))
        for member in self._rooms.of_tenant(tenant):
            if member.session_id in end.session_ids:
                self.show_out(member, end.reason)

    async def sweep(self, stop: Stop) -> None:
        """Show out those whose session has run out or is in doubt, and connections that nobody stands behind."""
        while not await stop.sleep(SWEEP_SECONDS):
            now = datetime.now(UTC)
            for member in self._rooms:
                if member.expires_at is not None and member.expires_at <= now:
                    self.show_out(member, "expired")
                elif member.doubted_from and member.doubted_from <= monotonic():
                    self.let_go(member, "to be looked at again")
            for eio_sid, socket in list(self.eio.sockets.items()):
                if eio_sid not in self._members and monotonic() - socket.since > PATIENCE_SECONDS:
                    self.eio.part(socket, "silent")

    async def drain(self, stop: Stop) -> None:
        """When it is time to end, close all sockets, not all at once; clients come back elsewhere and resume."""
        await stop.wait()
        for member in self._rooms:
            if not isinstance(member.socket, Socket):  # one who polls `GET /events` and waits
                member.leaving = True
                member.socket.push(CLOSING)
        sockets = list(self.eio.sockets.items())
        random.shuffle(sockets)
        began = monotonic()
        for nth, (eio_sid, socket) in enumerate(sockets):
            due = began + self._spread * nth / len(sockets)
            if due > monotonic():
                await asyncio.sleep(due - monotonic())
            if eio_sid in self._members:
                socket.push(CLOSING)
            self.eio.part(socket, "going away")
        await self.eio.parted()
        await self.shutdown()


def _quiet(name: str) -> logging.Logger:
    logger = logging.getLogger(name)
    logger.setLevel(logging.CRITICAL)  # what clients do wrong is no error of ours
    return logger
