"""The event log as realtime uses it: it appends what the bus brings, and reads what its clients have not seen."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from realtime.log.cursors import Cursor
from realtime.log.lua_scripts import BEGIN
from realtime.log.subscriber import Subscriber, open_subscriber
from switchboard.event_log import Batch, EventLogWriter, LogEntry, StoredEntry
from switchboard.event_log.batches import BATCHES, channel_of
from switchboard.event_log.writer import LOG, redis_errors_as_unavailable, tenant_key

ENTRIES_PER_APPEND = 500
BATCHES_PER_READ = 50
REVOCATIONS_TTL = timedelta(hours=24)


@dataclass(frozen=True)
class LogBounds:
    """How many entries of a tenant's log are kept, and for how long, at most."""

    max_entries: int = 10_000
    keep: timedelta = timedelta(hours=24)


class EventLog:
    """Appends to the log and reads from it. Every method raises `RedisUnavailable` when Redis is unavailable."""

    def __init__(self, redis: Redis, bounds: LogBounds) -> None:
        self._redis = redis
        self._bounds = bounds
        self._writer = EventLogWriter(redis)
        self._begin = redis.register_script(BEGIN)
        self._batches = channel_of(redis)
        self._ephemeral = self._batches.replace(BATCHES, f"{LOG}:now")

    async def check(self) -> None:
        """Raises `RedisUnavailable` unless Redis takes writes: a full one and a replica still answer a PING."""
        with redis_errors_as_unavailable():
            await self._redis.set(f"{LOG}:check", b"", ex=60)

    async def append(self, entries: Sequence[LogEntry], revoked: Sequence[UUID] = ()) -> None:
        """Append entries in order, without those that the log holds already.

        `revoked` sessions are marked first: a reader that doesn't find the mark will still see the log entry.
        """
        if revoked:
            with redis_errors_as_unavailable():
                async with self._redis.pipeline(transaction=False) as pipe:
                    for session in revoked:
                        pipe.set(_revoked_key(session), b"", ex=REVOCATIONS_TTL)
                    await pipe.execute()
        for start in range(0, len(entries), ENTRIES_PER_APPEND):
            await self._writer.append(entries[start : start + ENTRIES_PER_APPEND], in_order=True)

    async def is_revoked(self, session: UUID) -> bool:
        """Whether a revocation of this session was appended."""
        with redis_errors_as_unavailable():
            return bool(await self._redis.exists(_revoked_key(session)))

    async def begin(self) -> Cursor:
        """The end of the log: its last position, in its current epoch."""
        with redis_errors_as_unavailable():
            bounds = [self._bounds.max_entries, max(1, int(self._bounds.keep.total_seconds()))]
            epoch, last = await self._begin([LOG], [uuid4().hex[:12], *bounds])
            return Cursor(epoch.decode(), int(last))

    async def read(self, tenant: UUID, after: int, count: int = 500) -> list[StoredEntry] | None:
        """The next entries of a tenant after a position. None: some may be trimmed, or the log never reached it."""
        key = tenant_key(tenant)
        with redis_errors_as_unavailable():
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.xrange(key, f"({after}-0", "+", count)
                pipe.xinfo_stream(key)
                pipe.hget(LOG, "last")
                pipe.time()
                found, stream, last, (seconds, _) = await pipe.execute(raise_on_error=False)
            for answer in (found, last):
                if isinstance(answer, Exception):
                    raise answer
        oldest = (seconds - self._bounds.keep.total_seconds()) * 1_000_000
        if after > int(last or 0) or after < oldest or _is_trimmed(stream, after):
            return None
        return [StoredEntry(_position(place), *fields.values()) for place, fields in found]

    async def read_batches(self, after: int) -> list[Batch]:
        """The next batches of all tenants after a position, as far as they are still stored."""
        with redis_errors_as_unavailable():
            found: Any = await self._redis.xrange(BATCHES, f"({after}-0", "+", BATCHES_PER_READ)
            return [Batch.parse(fields[b"batch"]) for _, fields in found]

    @asynccontextmanager
    async def subscribe(self) -> AsyncIterator[Subscriber]:
        """Hear the batches and the ephemeral events that are published from now on."""
        with redis_errors_as_unavailable():
            async with open_subscriber(self._redis, self._batches, self._ephemeral) as subscriber:
                yield subscriber

    def is_ephemeral(self, channel: bytes) -> bool:
        """Whether the channel is that of ephemeral events, not of batches."""
        return channel == self._ephemeral.encode()

    async def broadcast_ephemeral(self, tenant: UUID, room: str, name: str, data: bytes) -> None:
        """Send an event to the clients that are connected now. It is not logged, so there is no catch-up on it."""
        text = b"%b %b %b %b" % (str(tenant).encode(), room.encode(), name.encode(), data)
        with redis_errors_as_unavailable():
            await self._redis.publish(self._ephemeral, text)


def _is_trimmed(stream: Any, after: int) -> bool:
    """Whether entries after a position may have been trimmed."""
    if isinstance(stream, ResponseError):  # there is no such stream: all that it held was older than what is kept
        return False
    if isinstance(stream, Exception):
        raise stream
    trimmed = stream["entries-added"] > stream["length"]
    return trimmed and (not stream["first-entry"] or _position(stream["first-entry"][0]) > after)


def _position(place: bytes) -> int:
    return int(place.partition(b"-")[0])


def _revoked_key(session: UUID) -> str:
    return f"log:revoked:{session}"
