"""Socket catch-up (resume): a client that reconnects gets the entries that it missed, then the live ones.

There is no gap and no duplicate: a member becomes live once nothing has been dispatched that it has not read, and what
it has read is not pushed again when it is dispatched.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from realtime.adapters.session_lookup import SocketSession
from realtime.fanout.dispatcher import Dispatcher, ready_frame
from realtime.fanout.frames import entry_frame, event_frame
from realtime.fanout.rooms import MemberSocket, RoomMember
from realtime.log.cursors import Cursor
from realtime.log.event_log import EventLog
from switchboard.event_log import StoredEntry
from switchboard.runtime.background import Stop
from switchboard.runtime.refusals import Unauthenticated

ENTRIES_PER_PAGE = 500


@dataclass(frozen=True, slots=True)
class MissedPage:
    """Entries that a member may see. `end`: it has all up to there; `is_last`: there were no more."""

    visible: list[StoredEntry]
    end: Cursor
    is_last: bool


@dataclass(slots=True)
class Joins:
    """How connections began since the start: `new` had no cursor, `reloaded` one that the log no longer reaches."""

    new: int = 0
    resumed: int = 0
    reloaded: int = 0


class SessionEnded(Unauthenticated):
    """The session has ended."""


class CatchUp:
    """Admits members and brings them up to date."""

    def __init__(self, log: EventLog, dispatcher: Dispatcher, *, cursor_every: timedelta) -> None:
        self._log = log
        self._dispatcher = dispatcher
        self._cursor_every = cursor_every.total_seconds()
        self.rooms = dispatcher.rooms
        self.joined = Joins()

    async def admit(self, session: SocketSession, socket: MemberSocket) -> RoomMember:
        """Register a member, not live yet. Raises `SessionEnded` or `RedisUnavailable`.

        The revocation is looked up after the registration: one that comes in between is dispatched to the member.
        """
        member = RoomMember(socket, session.tenant_id, session.user_id, session.session_id, session.expires_at)
        self.rooms.add(member)
        try:
            await self._dispatcher.wait_connected()
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

    async def resume(self, member: RoomMember, last_event_id: object) -> None:
        """Send `session.ready` and the entries after `last_event_id`, and make the member live."""
        cursor = Cursor.parse(last_event_id)
        if cursor is None:
            self.joined.new += 1
        page = await self.page_after(member, cursor)
        if cursor is not None and page is not None:
            member.socket.push(ready_frame(member, cursor, resumed=True))
            self.joined.resumed += 1
        elif cursor is not None:
            self.joined.reloaded += 1
        while page is not None:
            await _send(member, page)
            if page.is_last and page.end.epoch == self.cursor.epoch and self.rooms.go_live(member, page.end.position):
                return
            page = await self.page_after(member, page.end)
        self._dispatcher.reload(member)  # the log was lost, or trimmed faster than this client reads

    async def page_after(self, member: RoomMember, cursor: Cursor | None) -> MissedPage | None:
        """The next entries of a member's log. None when the log doesn't reach back to the cursor."""
        now = self.cursor
        if cursor is None or cursor.epoch != now.epoch:
            return None
        entries = await self._log.read(member.tenant_id, cursor.position, ENTRIES_PER_PAGE)
        if entries is None:
            return None
        end = entries[-1].position if entries else cursor.position
        is_last = len(entries) < ENTRIES_PER_PAGE
        # What had been dispatched before the read was read.
        end = max(end, now.position) if is_last else end
        return MissedPage([entry for entry in entries if entry.room in member.rooms], Cursor(now.epoch, end), is_last)

    @property
    def cursor(self) -> Cursor:
        """The current end of the log."""
        return self._dispatcher.cursor

    def go_live(self, member: RoomMember) -> None:
        """Make a member live from the current end on, without catch-up."""
        self.rooms.go_live_from(member, self._dispatcher.position)

    async def send_cursors(self, stop: Stop) -> None:
        """Send `session.cursor` regularly, so that a quiet client's cursor isn't trimmed while its log advances."""
        sent: dict[bytes, int] = {}
        while not await stop.sleep(self._cursor_every):
            before, sent = sent, {}
            frame = event_frame("session.cursor", {"last_event_id": str(self.cursor)})
            for tenant, dispatched, members in self.rooms.live_by_tenant():
                sent[tenant] = dispatched
                if dispatched != before.get(tenant, 0):
                    for member in members:
                        if member.seen <= self._dispatcher.position:
                            member.socket.push(frame)


async def _send(member: RoomMember, page: MissedPage) -> None:
    for entry in page.visible:
        member.socket.push(entry_frame(entry, page.end.epoch))
        if member.socket.congested:
            await member.socket.wait_drained()
