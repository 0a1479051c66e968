"""From "somebody connected" to "everything is live": what was missed first, then the live stream; no gap, no double."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from realtime.adapters.session_lookup import Visitor
from realtime.fanout.dispatcher import Relay
from realtime.fanout.frames import entry_frame, event_frame
from realtime.fanout.rooms import Member, Rooms, Socket
from realtime.log.entries import Entry
from realtime.log.event_log import EventLog
from realtime.log.stream_ids import Place, Position
from switchboard.runtime.refusals import Unauthenticated

PAGE = 500


class Revoked(Unauthenticated):
    """The session has ended."""


class Arrivals:
    """Takes members in and brings them up to the present."""

    def __init__(self, log: EventLog, relay: Relay, rooms: Rooms) -> None:
        self._log = log
        self._relay = relay
        self._rooms = rooms

    async def take_in(self, visitor: Visitor, socket: Socket) -> Member:
        """Register first, then look whether the session is over: a revocation is either seen here or by the member.

        Raises `Revoked`, or `RedisUnavailable`.
        """
        member = Member(socket, visitor.tenant_id, visitor.user_id, visitor.session_id, visitor.expires_at)
        self._rooms.add(member)
        try:
            await self._relay.follow(member.tenant_id)
            expired = member.expires_at is not None and member.expires_at <= datetime.now(UTC)
            if expired or await self._log.is_revoked(member.session_id):
                raise Revoked
        except BaseException:
            self.see_off(member)
            raise
        return member

    def see_off(self, member: Member) -> None:
        """It is gone."""
        self._rooms.remove(member)
        self._relay.leave(member.tenant_id)

    async def bring_up_to_date(self, member: Member, last_event_id: object) -> None:
        """Say where the member stands, send what it missed since `last_event_id`, and make it live."""
        epoch = self._relay.epoch
        position = Position.read(last_event_id)
        page = await self.page_after(member, position, PAGE)
        if position is None or page is None:
            self.start_anew(member)
        else:
            member.socket.push(_ready(member, position, resumed=True))
            await self._catch_up(member, position.place, page, epoch)

    async def page_after(self, member: Member, position: Position | None, count: int) -> list[Entry] | None:
        """The next entries of a member's log; None when that doesn't reach back so far."""
        if position is None or position.epoch != self._relay.epoch:
            return None
        return await self._log.read(member.tenant_id, position.place, count)

    def here(self, member: Member) -> Position:
        """Where the log is now."""
        return Position(self._relay.epoch, self._relay.place(member.tenant_id))

    def listen(self, member: Member) -> None:
        """Make a member live from here on."""
        here = self._relay.place(member.tenant_id)
        self._rooms.go_live(member, here, here)

    def start_anew(self, member: Member) -> None:
        """The member is live from here on; what came before, it has to get by HTTP."""
        member.socket.push(_ready(member, self.here(member), resumed=False))
        self.listen(member)

    async def _catch_up(self, member: Member, after: Place, page: list[Entry] | None, epoch: str) -> None:
        while page is not None and self._relay.epoch == epoch:
            for entry in page:
                if entry.room in member.rooms:
                    member.socket.push(entry_frame(entry, epoch))
                    if member.socket.crowded:
                        await member.socket.drained()
            after = Place.read(page[-1].place) if page else after
            if len(page) < PAGE and self._rooms.go_live(member, after, self._relay.place(member.tenant_id)):
                return
            page = await self._log.read(member.tenant_id, after, PAGE)
        self.start_anew(member)  # the log was lost, or trimmed faster than this client reads


def _ready(member: Member, position: Position, *, resumed: bool) -> Any:
    return event_frame(
        "session.ready",
        {
            "user_id": member.user_id,
            "tenant_id": member.tenant_id,
            "resumed": resumed,
            "last_event_id": str(position),
        },
    )
