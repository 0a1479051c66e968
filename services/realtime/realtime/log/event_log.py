"""The event log: one bounded Redis stream per tenant. Its order is the order in which all clients see the events."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from redis.asyncio import Redis

from realtime.log.entries import ReadEntry, TenantEntry
from realtime.log.lua_scripts import APPEND, END
from realtime.log.stream_ids import StreamId
from realtime.log.tail import Tail, open_tail
from switchboard.runtime.redis import REDIS_ERRORS, RedisUnavailable

# A message is redelivered when its consumer died before the acknowledgement: rarely, and much sooner than this.
DEDUPLICATION_WINDOW = timedelta(minutes=10)
EPHEMERAL_MAX_ENTRIES = 500
EPHEMERAL_TTL_SECONDS = 60
REVOCATIONS_TTL = timedelta(hours=24)


@dataclass(frozen=True)
class LogBounds:
    """How many entries of a tenant's log are kept, and for how long, at most."""

    max_entries: int = 10_000
    keep: timedelta = timedelta(hours=24)


class EventLog:
    """Appends to the logs and reads from them. Every method raises `RedisUnavailable` when Redis is unavailable."""

    def __init__(self, redis: Redis, bounds: LogBounds) -> None:
        self._redis = redis
        self._keep_ms = int(bounds.keep.total_seconds() * 1000)
        self._bounds = [bounds.max_entries, self._keep_ms, int(DEDUPLICATION_WINDOW.total_seconds() * 1000)]
        self._append = redis.register_script(APPEND)
        self._end = redis.register_script(END)

    async def check(self) -> None:
        """Raises `RedisUnavailable` unless Redis takes writes: a full one and a replica still answer a PING."""
        with redis_errors_as_unavailable():
            await self._redis.set("log:check", b"", ex=60)

    async def append(self, entries: Mapping[UUID, Sequence[TenantEntry]], revoked: Sequence[UUID] = ()) -> None:
        """Append each tenant's entries in order, without those that its log holds already (deduplication by id).

        `revoked` sessions are marked first: a reader that doesn't find the mark will still see the log entry.
        """
        with redis_errors_as_unavailable():
            async with self._redis.pipeline(transaction=False) as pipe:
                for session in revoked:
                    pipe.set(_revoked_key(session), b"", ex=REVOCATIONS_TTL)
                for tenant, batch in entries.items():
                    fields = [part for e in batch for part in (e.id, e.type, e.time, e.room, e.data, e.trace)]
                    keys = [log_key(tenant), _ids_key(tenant)]
                    await self._append(keys, [*self._bounds, *fields], client=pipe)
                await pipe.execute()

    async def broadcast_ephemeral(self, tenant: UUID, entry: TenantEntry) -> None:
        """Send an event to the clients that are connected now. It is not logged, so there is no catch-up on it."""
        fields: dict[Any, Any] = {"before": b"", "id": entry.id, "type": entry.type, "time": entry.time}
        fields |= {"room": entry.room, "data": entry.data, "trace": ""}
        with redis_errors_as_unavailable():
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.xadd(ephemeral_key(tenant), fields, maxlen=EPHEMERAL_MAX_ENTRIES)
                pipe.expire(ephemeral_key(tenant), EPHEMERAL_TTL_SECONDS)
                await pipe.execute()

    async def is_revoked(self, session: UUID) -> bool:
        """Whether a revocation of this session was appended."""
        with redis_errors_as_unavailable():
            return bool(await self._redis.exists(_revoked_key(session)))

    async def end(self, tenant: UUID) -> StreamId:
        """The end of the log: all entries so far are at or before it, all later ones come after it."""
        with redis_errors_as_unavailable():
            return StreamId.parse(await self._end([log_key(tenant)]))

    async def read(self, tenant: UUID, after: StreamId, count: int = 500) -> list[ReadEntry] | None:
        """The next entries after a position. None: entries after it were trimmed, or no log has ever reached it."""
        with redis_errors_as_unavailable():
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.xrange(log_key(tenant), f"({after}", "+", count)
                pipe.xlen(log_key(tenant))
                pipe.time()
                found, length, (seconds, _) = await pipe.execute()
        if after.ms > (seconds + 1) * 1000:
            return None
        if not found and not length and after.ms < seconds * 1000 - self._keep_ms:
            return None
        entries = [ReadEntry(stream_id, *fields.values()) for stream_id, fields in found]
        return None if entries and StreamId.parse(entries[0].previous) > after else entries

    @asynccontextmanager
    async def tail(self, wake_key: str) -> AsyncIterator[Tail]:
        """Open a blocking read of many logs. It never reconnects by itself: a restart of Redis must be noticed."""
        with redis_errors_as_unavailable():
            async with open_tail(self._redis, wake_key) as tail:
                yield tail

    async def wake(self, wake_key: str) -> None:
        """Wake the tail that was opened with this key, so that it waits for another set of logs."""
        with redis_errors_as_unavailable():
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.xadd(wake_key, {"": ""}, maxlen=1)
                pipe.expire(wake_key, 3600)
                await pipe.execute()


@contextmanager
def redis_errors_as_unavailable() -> Iterator[None]:
    """Turn any error of Redis, a refused write included, into `RedisUnavailable`."""
    try:
        yield
    except REDIS_ERRORS as error:
        raise RedisUnavailable(f"redis is unavailable: {str(error) or type(error).__name__}") from error


def log_key(tenant: UUID) -> str:
    return f"log:{tenant}"


def ephemeral_key(tenant: UUID) -> str:
    return f"now:{tenant}"


def _ids_key(tenant: UUID) -> str:
    return f"log:{tenant}:ids"


def _revoked_key(session: UUID) -> str:
    return f"log:revoked:{session}"
