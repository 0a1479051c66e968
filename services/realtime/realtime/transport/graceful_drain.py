"""Graceful drain: when an instance stops, its clients are disconnected over a while and resume on other instances."""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic

from realtime.fanout.frames import closing_frame
from realtime.fanout.rooms import RoomMember, Rooms
from realtime.transport.engine_socket import EngineSocket
from realtime.transport.engineio_server import EngineServer
from switchboard.runtime.background import Stop

CLOSING = closing_frame("going away")


@dataclass(frozen=True)
class GracefulDrain:
    """Closes all connections when the instance stops. `members`: the authenticated ones by Engine.IO id."""

    engine: EngineServer
    rooms: Rooms
    members: Mapping[str, RoomMember]
    spread: timedelta

    async def run(self, stop: Stop) -> None:
        """Wait for the stop; then end long polls at once, and close sockets one after the other over `spread`."""
        await stop.wait()
        self.engine.draining = True
        for member in self.rooms:
            if not isinstance(member.socket, EngineSocket):
                member.leaving = True
                member.socket.push(CLOSING)
        sockets = list(self.engine.sockets.items())
        random.shuffle(sockets)
        started = monotonic()
        for nth, (eio_sid, socket) in enumerate(sockets):
            due = started + self.spread.total_seconds() * nth / len(sockets)
            if due > monotonic():
                await asyncio.sleep(due - monotonic())
            if eio_sid in self.members:
                socket.push(CLOSING)
            socket.close_soon("going away")
        await self.engine.wait_closed()
        await self.engine.shutdown()
