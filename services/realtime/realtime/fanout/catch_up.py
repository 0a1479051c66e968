"""Socket catch-up (resume): a client that reconnects gets the entries that it missed, then the live ones.

There is no gap and no duplicate: a member becomes live in the same step in which the entries that were read for it meet
those that were dispatched.
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from realtime.adapters.session_lookup import SocketSession
from realtime.fanout.dispatcher import Dispatcher, ready_frame
from realtime.fanout.frames import entry_frame, event_frame
from realtime.fanout.rooms import MemberSocket, RoomMember
from realtime.log.entries import ReadEntry
from realtime.log.event_log import EventLog
from realtime.log.stream_ids import Cursor, StreamId
from switchboard.runtime.background import Stop
from switchboard.runtime.redis import RedisUnavailable
from switchboard.runtime.refusals import Unauthenticated

PAGE = 500


class SessionEnded(Unauthenticated):
    """The session has ended."""


class CatchUp:
    """Admits members and brings them up to date."""

    def __init__(self, log: EventLog, dispatcher: Dispatcher, *, cursor_every: timedelta) -> None:
        self._log = log
        self._dispatcher = dispatcher
        self._cursor_every = cursor_every.total_seconds()
        self.rooms = dispatcher.rooms

    async def admit(self, session: SocketSession, socket: MemberSocket) -> RoomMember:
        """Register a member, not live yet. Raises `SessionEnded` or `RedisUnavailable`.

        The revocation is looked up after the registration: one that comes in between is dispatched to the member.
        """
        member = RoomMember(socket, session.tenant_id, session.user_id, session.session_id, session.expires_at)
        self.rooms.add(member)
        try:
            await self._dispatcher.follow(member.tenant_id)
            expired = member.expires_at is not None and member.expires_at <= datetime.now(UTC)
            if expired or await self._log.is_revoked(member.session_id):
                raise SessionEnded
        except BaseException:
            self.unregister(member)
            raise
        return member

    def unregister(self, member: RoomMember) -> None:
        """Remove a member after its connection was closed."""
        self.rooms.remove(member)
        self._dispatcher.unfollow(member.tenant_id)

    async def resume(self, member: RoomMember, last_event_id: object) -> None:
        """Send `session.ready` and the entries after `last_event_id`, and make the member live."""
        epoch = self._dispatcher.epoch
        cursor = Cursor.parse(last_event_id)
        page = await self.page_after(member, cursor)
        if cursor is None or page is None:
            self._dispatcher.reload(member)
        else:
            member.socket.push(ready_frame(member, cursor, resumed=True))
            await self._send_missed(member, cursor.stream_id, page, epoch)

    async def page_after(self, member: RoomMember, cursor: Cursor | None) -> list[ReadEntry] | None:
        """The next `PAGE` entries of a member's log. None when the log doesn't reach back to the cursor."""
        if cursor is None or cursor.epoch != self._dispatcher.epoch:
            return None
        return await self._log.read(member.tenant_id, cursor.stream_id, PAGE)

    def cursor(self, member: RoomMember) -> Cursor:
        """The current end of the member's log."""
        return self._dispatcher.cursor(member.tenant_id)

    def go_live(self, member: RoomMember) -> None:
        """Make a member live from the current end on, without catch-up."""
        self._dispatcher.go_live(member)

    async def send_cursors(self, stop: Stop) -> None:
        """Send `session.cursor` regularly, so that a quiet client's cursor isn't trimmed while its log advances."""
        sent: dict[UUID, StreamId] = {}
        while not await stop.sleep(self._cursor_every):
            before, sent = sent, {}
            for tenant, members in self.rooms.live_by_tenant():
                try:
                    cursor = self._dispatcher.cursor(tenant)
                except RedisUnavailable:
                    continue
                sent[tenant] = cursor.stream_id
                if cursor.stream_id != before.get(tenant):
                    frame = event_frame("session.cursor", {"last_event_id": str(cursor)})
                    for member in members:
                        member.socket.push(frame)

    async def _send_missed(self, member: RoomMember, after: StreamId, page: list[ReadEntry] | None, epoch: str) -> None:
        while page is not None and self._dispatcher.epoch == epoch:
            for entry in page:
                if entry.room in member.rooms:
                    member.socket.push(entry_frame(entry, epoch))
                    if member.socket.congested:
                        await member.socket.wait_drained()
            after = StreamId.parse(page[-1].stream_id) if page else after
            dispatched = self._dispatcher.dispatched
            if len(page) < PAGE and self.rooms.go_live(member, after, dispatched(member.tenant_id)):
                return
            page = await self._log.read(member.tenant_id, after, PAGE)
        self._dispatcher.reload(member)  # the log was lost, or trimmed faster than this client reads
