"""The dispatcher: hears what is appended to the event log and fans each entry out to the rooms of this instance."""

import asyncio
import random
from datetime import timedelta
from time import monotonic

import orjson
import structlog

from realtime.fanout.frames import Frame, event_frame
from realtime.fanout.rooms import RoomMember, Rooms
from realtime.log.cursors import Cursor
from realtime.log.event_log import EventLog
from realtime.log.subscriber import Subscriber
from switchboard.contracts.auth import SessionRevoked, TenantUpdated
from switchboard.event_log import REVOCATIONS, Batch, StoredEntry
from switchboard.event_log.batches import stored_entry
from switchboard.runtime.background import Backoff, Stop
from switchboard.runtime.message_log import log_message_step
from switchboard.runtime.redis import RedisUnavailable
from switchboard.runtime.unavailable import Unavailable

CONNECT_SECONDS = 5.0
FIRST_PAUSE_SECONDS = 0.05  # before it connects again
WORK_PER_TURN = 2000  # entries and pushes, then other tasks run

_REVOCATIONS = REVOCATIONS.encode()
_TENANT_UPDATED = TenantUpdated.type.encode()

log = structlog.get_logger(__name__)


class Dispatcher:
    """Hears the batches of all tenants, and dispatches the entries of those that have members on this instance.

    `position`: all entries up to it are dispatched. Each batch names the position before it, so that a batch that was
    not heard is noticed, and read where the last ones are stored.

    Members that may have missed entries have to reload: when Redis restarted (its last writes may be lost), and when
    batches were trimmed faster than this instance read them. A missed entry may have been a revocation, so their
    sessions become unverifiable: about `reverify_after` later they are disconnected, to authenticate again.
    """

    def __init__(self, log: EventLog, *, reverify_after: timedelta = timedelta(seconds=65)) -> None:
        self._log = log
        self._reverify_after = reverify_after.total_seconds()
        self._connected = asyncio.Event()
        self._work = 0
        self.rooms = Rooms()
        self.epoch = ""
        self.position = 0
        self.pushed = 0

    async def wait_connected(self) -> None:
        """Return once entries are dispatched. Raises `RedisUnavailable`."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._connected.wait()
        except TimeoutError:
            raise RedisUnavailable(f"redis has been unavailable for {CONNECT_SECONDS:g} seconds") from None

    @property
    def cursor(self) -> Cursor:
        """The cursor of a client that has all entries dispatched so far."""
        return Cursor(self.epoch, self.position)

    def reload(self, member: RoomMember) -> None:
        """Tell a member to reload its state by HTTP, and make it live from the current end on."""
        member.socket.push(ready_frame(member, self.cursor, resumed=False))
        self.rooms.go_live_from(member, self.position)

    async def check(self) -> None:
        """Raises `RedisUnavailable` while the log can't be read."""
        if not self._connected.is_set():
            raise RedisUnavailable("the event log can't be read")

    async def run(self, stop: Stop) -> None:
        """Dispatch until stopped, on one connection after another."""
        dispatching, stopping = asyncio.create_task(self._keep_dispatching(stop)), asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({dispatching, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if dispatching.done():
                dispatching.result()
        finally:
            dispatching.cancel()
            stopping.cancel()
            await asyncio.wait({dispatching, stopping})

    async def _keep_dispatching(self, stop: Stop) -> None:
        # It looks at `stop` although it is cancelled then: `asyncio.wait_for`, which redis-py uses, may swallow that.
        backoff = Backoff(first=FIRST_PAUSE_SECONDS, most=1.0)
        while not stop.is_set():
            try:
                async with self._log.subscribe() as subscriber:
                    await self._begin()
                    self._connected.set()
                    backoff.reset()
                    while not stop.is_set():
                        await self._hear(subscriber)
            except Unavailable as unavailable:
                log.warning("dispatcher_waits", reason=str(unavailable))
                await asyncio.sleep(backoff.pause())
            finally:
                self._connected.clear()

    async def _begin(self) -> None:
        """Dispatch what was appended since the last connection; the first one begins at the end of the log."""
        end = await self._log.begin()
        if end.epoch != self.epoch or end.position < self.position:
            is_first, self.epoch = not self.epoch, end.epoch
            self._lose(end.position, reason="the log begins" if is_first else "the log has a new epoch")
        await self._dispatch_missed(end.position)

    async def _hear(self, subscriber: Subscriber) -> None:
        channel, text = await subscriber.next()
        if self._log.is_ephemeral(channel):
            self._dispatch_ephemeral(text)
            return
        batch = Batch.parse(text)
        if batch.last <= self.position:
            return  # read from where the last batches are stored, before it was heard
        if batch.before < self.position:
            raise RedisUnavailable("the event log went back")  # another primary, or the log was deleted: begin again
        if batch.before > self.position:
            await self._dispatch_missed(batch.before)
        await self._dispatch(batch)

    async def _dispatch_missed(self, end: int) -> None:
        """Dispatch what was not heard, up to `end` or further."""
        while batches := await self._log.read_batches(self.position):
            for batch in batches:
                if batch.before > self.position:
                    self._lose(batch.before, reason="batches were trimmed")
                await self._dispatch(batch)
        if self.position < end:
            self._lose(end, reason="batches were trimmed")

    async def _dispatch(self, batch: Batch) -> None:
        if batch.last <= self.position:
            return
        for tenant, room, line in batch.entries():
            self._work += 1
            if self.rooms.has(tenant):
                entry = stored_entry(room, line)
                if room == _REVOCATIONS:
                    self._disconnect_revoked(tenant, entry)
                pushed = self.rooms.broadcast(tenant, entry, self.epoch)
                self._work += pushed
                if pushed:
                    _log_pushed(entry, pushed)
                if pushed and entry.parts[0] == _TENANT_UPDATED:
                    self._disconnect_suspended(tenant, entry)
                self.position = entry.position
            if self._work > WORK_PER_TURN:
                self._work = 0
                await asyncio.sleep(0)
        self.position = batch.last

    def _dispatch_ephemeral(self, text: bytes) -> None:
        tenant, room, name, data = text.split(b" ", 3)
        self.rooms.broadcast_ephemeral(tenant, room, name, data)

    def _disconnect_revoked(self, tenant: bytes, entry: StoredEntry) -> None:
        revoked = SessionRevoked.read(orjson.loads(entry.parts[-1]))
        for member in self.rooms.members_of(tenant):
            if member.session_id in revoked.session_ids:
                member.disconnect(revoked.reason)

    def _disconnect_suspended(self, tenant: bytes, entry: StoredEntry) -> None:
        if TenantUpdated.read(orjson.loads(entry.parts[-1])).suspended:
            for member in list(self.rooms.members_of(tenant)):
                member.disconnect("suspended")

    def _lose(self, position: int, *, reason: str) -> None:
        """Go on from a position although entries before it were not dispatched: all members reload.

        Those that are still catching up read on to this position at least, or notice the loss themselves.
        """
        log.warning("log_entries_lost", reason=reason, position=position)
        self.position = position
        for member in self.rooms.skip_to(position):
            self.reload(member)
        for member in self.rooms:
            if not member.unverifiable_from:
                member.unverifiable_from = monotonic() + self._reverify_after * random.uniform(1, 1.5)


def _log_pushed(entry: StoredEntry, sockets: int) -> None:
    type_, event_id, _, traceparent, _ = entry.parts
    log_message_step("pushed", traceparent.decode(), event_id=event_id.decode(), type=type_.decode(), sockets=sockets)


def ready_frame(member: RoomMember, cursor: Cursor, *, resumed: bool) -> Frame:
    """`session.ready`, the first event of a connection. `resumed`: the entries after its cursor follow."""
    ids = {"user_id": member.user_id, "tenant_id": member.tenant_id}
    return event_frame("session.ready", {**ids, "resumed": resumed, "last_event_id": str(cursor)})
