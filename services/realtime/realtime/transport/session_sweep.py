"""The session sweep: disconnects clients with an expired or unverifiable session, and unauthenticated connections."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic

from realtime.fanout.rooms import RoomMember, Rooms
from realtime.transport.engineio_server import EngineServer
from switchboard.runtime.background import Stop

SWEEP_SECONDS = 1.0
IDLE_SECONDS = 5.0  # between sweeps without connections
AUTHENTICATION_SECONDS = 30.0  # within which a connection has to authenticate


@dataclass(frozen=True)
class SessionSweep:
    """Looks at all connections each second, while there are any. `members`: the authenticated ones by Engine.IO id."""

    engine: EngineServer
    rooms: Rooms
    members: Mapping[str, RoomMember]

    async def run(self, stop: Stop) -> None:
        while not await stop.sleep(SWEEP_SECONDS if self.engine.sockets else IDLE_SECONDS):
            now = datetime.now(UTC)
            for member in self.rooms:
                if member.expires_at is not None and member.expires_at <= now:
                    member.disconnect("expired")
                elif member.unverifiable_from and member.unverifiable_from <= monotonic():
                    member.socket.close_soon("unverifiable session")  # the client reconnects and authenticates again
            for eio_sid, socket in list(self.engine.sockets.items()):
                unauthenticated_for = monotonic() - socket.unauthenticated_since
                if eio_sid not in self.members and unauthenticated_for > AUTHENTICATION_SECONDS:
                    socket.close_soon("not authenticated in time")
