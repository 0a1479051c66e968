"""Telling quiet clients where they are, so that their place isn't trimmed away while others' events go by."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from realtime.frames import event_frame
from realtime.places import Place, Position
from realtime.relay import Relay
from realtime.rooms import Rooms
from switchboard.runtime.loops import Stop
from switchboard.runtime.redis import RedisAway


class Cursors:
    """Sends `session.cursor {last_event_id}` now and then, while a log advances."""

    def __init__(self, relay: Relay, rooms: Rooms, every: timedelta) -> None:
        self._relay = relay
        self._rooms = rooms
        self._every = every.total_seconds()
        self._told: dict[UUID, Place] = {}

    async def run(self, stop: Stop) -> None:
        while not await stop.sleep(self._every):
            told: dict[UUID, Place] = {}
            for tenant, members in self._rooms.live_by_tenant():
                try:
                    told[tenant] = place = self._relay.place(tenant)
                except RedisAway:
                    continue
                if place != self._told.get(tenant):
                    frame = event_frame("session.cursor", {"last_event_id": str(Position(self._relay.epoch, place))})
                    for member in members:
                        member.socket.push(frame)
            self._told = told
