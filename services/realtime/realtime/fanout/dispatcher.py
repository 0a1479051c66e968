"""The dispatcher: tails the event logs and fans each entry out to the rooms of this instance."""

import asyncio
import random
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from uuid import UUID, uuid4

import orjson
import structlog

from realtime.fanout.frames import Frame, event_frame
from realtime.fanout.rooms import REVOCATIONS, RoomMember, Rooms
from realtime.log.entries import ReadEntry
from realtime.log.event_log import EventLog, ephemeral_key, log_key
from realtime.log.stream_ids import Cursor, StreamId
from realtime.log.tail import Tail
from switchboard.contracts.auth import SessionRevoked
from switchboard.runtime.background import Stop
from switchboard.runtime.redis import RedisUnavailable
from switchboard.runtime.unavailable import Unavailable

RETRY_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0)
CONNECT_SECONDS = 5.0
PUSHES_PER_TURN = 2000  # then other tasks run

_REVOCATIONS = REVOCATIONS.encode()

log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class _Followed:
    """The positions up to which the log and the ephemeral events of one tenant have been dispatched."""

    tenant: UUID
    dispatched: bytes
    ephemeral: bytes


class Dispatcher:
    """Tails the logs of the tenants that have members on this instance, and dispatches each entry.

    Members that may have missed entries have to reload: when Redis restarted (its last writes may be lost), and when a
    log was trimmed faster than this instance read it. A missed entry may have been a revocation, so their
    sessions become unverifiable: about `reverify_after` later they are disconnected, to authenticate again.
    """

    def __init__(self, log: EventLog, *, reverify_after: timedelta = timedelta(seconds=65)) -> None:
        self._log = log
        self._reverify_after = reverify_after.total_seconds()
        self._followed: dict[UUID, _Followed] = {}
        self._wake_key = f"log:wake:{uuid4()}"
        self._connected = asyncio.Event()
        self.rooms = Rooms()
        self.epoch = ""
        self.pushed = 0

    async def follow(self, tenant: UUID) -> None:
        """Dispatch the tenant's entries from now on. Raises `RedisUnavailable`."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._connected.wait()
        except TimeoutError:
            raise RedisUnavailable(f"redis has been unavailable for {CONNECT_SECONDS:g} seconds") from None
        if tenant not in self._followed:
            end = str(await self._log.end(tenant)).encode()
            self._followed.setdefault(tenant, _Followed(tenant, end, end))
            await self._log.wake(self._wake_key)

    def unfollow(self, tenant: UUID) -> None:
        """Stop following a tenant that has no members here."""
        if not self.rooms.has(tenant):
            self._followed.pop(tenant, None)

    def dispatched(self, tenant: UUID) -> StreamId:
        """The last entry that was dispatched. Raises `RedisUnavailable` for a tenant that isn't followed."""
        try:
            return StreamId.parse(self._followed[tenant].dispatched)
        except KeyError:
            raise RedisUnavailable("the log is being opened again") from None

    def cursor(self, tenant: UUID) -> Cursor:
        """The cursor of a client that has all entries dispatched so far. Raises `RedisUnavailable`."""
        return Cursor(self.epoch, self.dispatched(tenant))

    def go_live(self, member: RoomMember) -> None:
        """Make a member live from the current end on, without catch-up."""
        dispatched = self.dispatched(member.tenant_id)
        self.rooms.go_live(member, dispatched, dispatched)

    def reload(self, member: RoomMember) -> None:
        """Tell a member to reload its state by HTTP, and make it live from the current end on."""
        member.socket.push(ready_frame(member, self.cursor(member.tenant_id), resumed=False))
        self.go_live(member)

    async def check(self) -> None:
        """Raises `RedisUnavailable` while the log can't be read."""
        if not self._connected.is_set():
            raise RedisUnavailable("the event log can't be read")

    async def run(self, stop: Stop) -> None:
        pauses = iter(RETRY_SECONDS)
        while not stop.is_set():
            try:
                async with self._log.tail(self._wake_key) as tail:
                    await self._start_epoch(tail.epoch)
                    pauses = iter(RETRY_SECONDS)
                    await self._dispatch_all(tail, stop)
            except Unavailable as unavailable:
                log.warning("dispatcher_waits", reason=str(unavailable))
                await stop.sleep(next(pauses, RETRY_SECONDS[-1]))
            finally:
                self._connected.clear()

    async def _start_epoch(self, epoch: str) -> None:
        if self.epoch and epoch != self.epoch:
            log.warning("log_epoch_changed", before=self.epoch, now=epoch)
            for tenant, followed in list(self._followed.items()):
                followed.dispatched = str(await self._log.end(tenant)).encode()
        is_new, self.epoch = epoch != self.epoch, epoch
        self._connected.set()
        if is_new:
            for tenant in list(self._followed):
                self._reload_all(tenant)

    async def _dispatch_all(self, tail: Tail, stop: Stop) -> None:
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                logs = {log_key(f.tenant): f for f in self._followed.values()}
                ephemeral = {ephemeral_key(f.tenant): f for f in self._followed.values()}
                positions = {k: f.dispatched for k, f in logs.items()} | {k: f.ephemeral for k, f in ephemeral.items()}
                waiting = asyncio.create_task(tail.wait(positions))
                await asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if not waiting.done():
                    waiting.cancel()
                    await asyncio.wait({waiting})
                    return
                for key, entries in waiting.result():
                    if key in ephemeral:
                        self._dispatch_ephemeral(ephemeral[key], entries)
                    else:
                        await self._dispatch(logs[key], entries)
        finally:
            stopping.cancel()

    async def _dispatch(self, followed: _Followed, entries: list[ReadEntry]) -> None:
        tenant = followed.tenant
        pushed = 0
        for entry in entries:
            if self._followed.get(tenant) is not followed:
                return  # unfollowed, or followed again from a later position
            if _is_after(entry.previous, followed.dispatched):
                log.warning("log_trimmed_before_dispatch", tenant_id=str(tenant))
                followed.dispatched = entry.previous
                self._reload_all(tenant)
            if entry.room == _REVOCATIONS:
                self._disconnect_revoked(tenant, entry)
            pushed += 1 + self.rooms.broadcast(tenant, entry, self.epoch)
            followed.dispatched = entry.stream_id
            if pushed > PUSHES_PER_TURN:
                self.pushed += pushed
                pushed = 0
                await asyncio.sleep(0)
        self.pushed += pushed

    def _dispatch_ephemeral(self, followed: _Followed, entries: list[ReadEntry]) -> None:
        for entry in entries:
            self.rooms.broadcast_ephemeral(followed.tenant, entry)
            followed.ephemeral = entry.stream_id

    def _disconnect_revoked(self, tenant: UUID, entry: ReadEntry) -> None:
        revoked = SessionRevoked.read(orjson.loads(entry.data))
        for member in self.rooms.members_of(tenant):
            if member.session_id in revoked.session_ids:
                member.disconnect(revoked.reason)

    def _reload_all(self, tenant: UUID) -> None:
        """Reload all members but those that are still catching up: these notice the loss themselves."""
        for member in self.rooms.make_caught_up_live(tenant):
            self.reload(member)
            if not member.unverifiable_from:
                member.unverifiable_from = monotonic() + self._reverify_after * random.uniform(1, 1.5)


def _is_after(stream_id: bytes, other: bytes) -> bool:
    return stream_id != other and StreamId.parse(stream_id) > StreamId.parse(other)


def ready_frame(member: RoomMember, cursor: Cursor, *, resumed: bool) -> Frame:
    """`session.ready`, the first event of a connection. `resumed`: the entries after its cursor follow."""
    ids = {"user_id": member.user_id, "tenant_id": member.tenant_id}
    return event_frame("session.ready", {**ids, "resumed": resumed, "last_event_id": str(cursor)})
