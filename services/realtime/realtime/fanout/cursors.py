"""Telling quiet clients where they are, so that their place isn't trimmed away while others' events go by."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from realtime.fanout.dispatcher import Relay
from realtime.fanout.frames import event_frame
from realtime.fanout.rooms import Rooms
from realtime.log.stream_ids import Place, Position
from switchboard.runtime.background import Stop
from switchboard.runtime.redis import RedisUnavailable


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
                except RedisUnavailable:
                    continue
                if place != self._told.get(tenant):
                    frame = event_frame("session.cursor", {"last_event_id": str(Position(self._relay.epoch, place))})
                    for member in members:
                        member.socket.push(frame)
            self._told = told
