"""From the log to the sockets of this instance: every instance reads the logs itself, in the one order they have."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID, uuid4

import structlog

from realtime.fanout.rooms import REVOCATIONS, Member, Rooms
from realtime.log.entries import Entry
from realtime.log.event_log import EventLog, mentions_of, stream_of
from realtime.log.stream_ids import Place
from realtime.log.tail import Tail
from switchboard.runtime.background import Stop
from switchboard.runtime.redis import RedisUnavailable
from switchboard.runtime.unavailable import Unavailable

PAUSES = (0.05, 0.1, 0.2, 0.5, 1.0)
PATIENCE_SECONDS = 5.0
PUSHES_AT_A_STRETCH = 2000  # then others get their turn

_REVOCATIONS = REVOCATIONS.encode()

log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class _Followed:
    """How far a tenant's log, and what is only mentioned to it, have been handed on."""

    tenant: UUID
    place: bytes
    mentioned: bytes


class Relay:
    """Follows the logs of the tenants that have somebody here, and hands each entry on.

    `revoke(tenant, entry)` is called for each end of sessions, `reload(member)` for each live member that may have
    missed something: because Redis restarted (its last writes may be lost), or the log is shorter than our absence.
    """

    def __init__(
        self,
        log: EventLog,
        rooms: Rooms,
        *,
        revoke: Callable[[UUID, Entry], None],
        reload: Callable[[Member], None],
    ) -> None:
        self._log = log
        self._rooms = rooms
        self._revoke = revoke
        self._reload = reload
        self._followed: dict[UUID, _Followed] = {}
        self._wake = f"log:wake:{uuid4()}"
        self._connected = asyncio.Event()
        self.epoch = ""
        self.pushed = 0

    async def follow(self, tenant: UUID) -> None:
        """From now on the tenant's new entries are handed on. Raises `RedisUnavailable`."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._connected.wait()
        except TimeoutError:
            raise RedisUnavailable("redis has been away for a while") from None
        if tenant not in self._followed:
            end = str(await self._log.end(tenant)).encode()
            self._followed.setdefault(tenant, _Followed(tenant, end, end))
            await self._log.wake(self._wake)

    def place(self, tenant: UUID) -> Place:
        """Everything up to here has been handed on. Raises `RedisUnavailable` when the tenant isn't followed."""
        try:
            return Place.read(self._followed[tenant].place)
        except KeyError:
            raise RedisUnavailable("the log is being read anew") from None

    def leave(self, tenant: UUID) -> None:
        """Stop following a tenant who has nobody here any more."""
        if not self._rooms.has(tenant):
            self._followed.pop(tenant, None)

    async def check(self) -> None:
        """Raises `RedisUnavailable` while nothing can be handed on."""
        if not self._connected.is_set():
            raise RedisUnavailable("the event log can't be read")

    async def run(self, stop: Stop) -> None:
        pauses = iter(PAUSES)
        while not stop.is_set():
            try:
                async with self._log.tail(self._wake) as tail:
                    await self._begin(tail.epoch)
                    pauses = iter(PAUSES)
                    await self._pass_on(tail, stop)
            except Unavailable as outage:
                log.warning("relay_waits", reason=str(outage))
                await stop.sleep(next(pauses, PAUSES[-1]))
            finally:
                self._connected.clear()

    async def _begin(self, epoch: str) -> None:
        if self.epoch and epoch != self.epoch:
            log.warning("log_begins_anew", before=self.epoch, now=epoch)
            for tenant, followed in list(self._followed.items()):
                followed.place = str(await self._log.end(tenant)).encode()
        is_new, self.epoch = epoch != self.epoch, epoch
        self._connected.set()
        if is_new:
            for tenant in list(self._followed):
                self._start_over(tenant)

    async def _pass_on(self, tail: Tail, stop: Stop) -> None:
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                streams = {stream_of(f.tenant): f for f in self._followed.values()}
                mentions = {mentions_of(f.tenant): f for f in self._followed.values()}
                places = {key: f.place for key, f in streams.items()} | {k: f.mentioned for k, f in mentions.items()}
                waiting = asyncio.create_task(tail.wait(places))
                await asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if not waiting.done():
                    waiting.cancel()
                    await asyncio.wait({waiting})
                    return
                for key, entries in waiting.result():
                    if key in mentions:
                        self._mention(mentions[key], entries)
                    else:
                        await self._hand_on(streams[key], entries)
        finally:
            stopping.cancel()

    async def _hand_on(self, followed: _Followed, entries: list[Entry]) -> None:
        tenant = followed.tenant
        stretch = 0
        for entry in entries:
            if self._followed.get(tenant) is not followed:
                return  # nobody is here any more, or somebody is again and follows from a later place
            if entry.before != followed.place and Place.read(entry.before) > Place.read(followed.place):
                log.warning("log_outran_us", tenant_id=str(tenant))
                followed.place = entry.before
                self._start_over(tenant)
            if entry.room == _REVOCATIONS:
                self._revoke(tenant, entry)
            stretch += 1 + self._rooms.deliver(tenant, entry, self.epoch)
            followed.place = entry.place
            if stretch > PUSHES_AT_A_STRETCH:
                self.pushed += stretch
                stretch = 0
                await asyncio.sleep(0)
        self.pushed += stretch

    def _mention(self, followed: _Followed, entries: list[Entry]) -> None:
        for entry in entries:
            self._rooms.mention(followed.tenant, entry)
            followed.mentioned = entry.place

    def _start_over(self, tenant: UUID) -> None:
        for member in self._rooms.start_over(tenant):
            self._reload(member)
