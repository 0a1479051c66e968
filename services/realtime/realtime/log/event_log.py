"""The event log: one bounded Redis stream for each tenant, and the one order in which everybody sees its events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from redis.asyncio import Redis

from realtime.log import lua_scripts as scripts
from realtime.log.entries import Entry, Event
from realtime.log.stream_ids import Place
from realtime.log.tail import Tail, open_tail
from switchboard.runtime.redis import REDIS_ERRORS, RedisUnavailable

# A message comes twice when its consumer died before the acknowledgement: long before this, and rarely at all.
REMEMBER_IDS = timedelta(minutes=10)
MENTIONS_KEPT = 500
REVOCATIONS_KEPT = timedelta(hours=24)


@dataclass(frozen=True)
class Bounds:
    """How much of a tenant's log is kept, at most."""

    entries: int = 10_000
    age: timedelta = timedelta(hours=24)


class EventLog:
    """Appending to and reading from the logs. Every method raises `RedisUnavailable` when Redis is."""

    def __init__(self, redis: Redis, bounds: Bounds) -> None:
        self._redis = redis
        self._keep_ms = int(bounds.age.total_seconds() * 1000)
        self._bounds = [bounds.entries, self._keep_ms, int(REMEMBER_IDS.total_seconds() * 1000)]
        self._append = redis.register_script(scripts.APPEND)
        self._end = redis.register_script(scripts.END)

    async def check(self) -> None:
        """Raises `RedisUnavailable` unless it takes writes: a full one and a replica answer a PING too."""
        with away():
            await self._redis.set("log:check", b"", ex=60)

    async def append(self, events: Mapping[UUID, Sequence[Event]], revoked: Sequence[UUID] = ()) -> None:
        """Add each tenant's events in their order, those only that the log doesn't know yet.

        `revoked` sessions are marked first: whoever doesn't find the mark can rely on the log's entry still to come.
        """
        with away():
            async with self._redis.pipeline(transaction=False) as pipe:
                for session in revoked:
                    pipe.set(_revoked(session), b"", ex=REVOCATIONS_KEPT)
                for tenant, batch in events.items():
                    fields = [part for e in batch for part in (e.id, e.type, e.time, e.room, e.data, e.trace)]
                    keys = [stream_of(tenant), _ids(tenant)]
                    await self._append(keys, [*self._bounds, *fields], client=pipe)
                await pipe.execute()

    async def mention(self, tenant: UUID, event: Event) -> None:
        """Tell who is there now, and nobody later: what is mentioned is soon forgotten."""
        fields: dict[Any, Any] = {"before": b"", "id": event.id, "type": event.type, "time": event.time}
        fields |= {"room": event.room, "data": event.data, "trace": ""}
        with away():
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.xadd(mentions_of(tenant), fields, maxlen=MENTIONS_KEPT)
                pipe.expire(mentions_of(tenant), 60)
                await pipe.execute()

    async def is_revoked(self, session: UUID) -> bool:
        """Whether the log has seen this session's end."""
        with away():
            return bool(await self._redis.exists(_revoked(session)))

    async def end(self, tenant: UUID) -> Place:
        """A place that everything appended from now on comes after, and nothing before now does."""
        with away():
            return Place.read(await self._end([stream_of(tenant)]))

    async def read(self, tenant: UUID, after: Place, count: int = 500) -> list[Entry] | None:
        """The next entries after a place; None when some after it are no longer kept, or no log ever came so far."""
        with away():
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.xrange(stream_of(tenant), f"({after}", "+", count)
                pipe.xlen(stream_of(tenant))
                pipe.time()
                found, length, (seconds, _) = await pipe.execute()
        if after.ms > (seconds + 1) * 1000:
            return None
        if not found and not length and after.ms < seconds * 1000 - self._keep_ms:
            return None
        entries = [Entry(place, *fields.values()) for place, fields in found]
        return None if entries and Place.read(entries[0].before) > after else entries

    @asynccontextmanager
    async def tail(self, wake: str) -> AsyncIterator[Tail]:
        """A connection of its own to wait on. Once broken it stays so: a restart must not go unnoticed."""
        with away():
            async with open_tail(self._redis, wake) as tail:
                yield tail

    async def wake(self, key: str) -> None:
        """Make the tail that waits on `key` look again at what it follows."""
        with away():
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.xadd(key, {"": ""}, maxlen=1)
                pipe.expire(key, 3600)
                await pipe.execute()


@contextmanager
def away() -> Iterator[None]:
    """Redis' trouble as an `Unavailable`."""
    try:
        yield
    except REDIS_ERRORS as trouble:
        raise RedisUnavailable(f"redis is away: {str(trouble) or type(trouble).__name__}") from trouble


def stream_of(tenant: UUID) -> str:
    """The key of a tenant's log."""
    return f"log:{tenant}"


def mentions_of(tenant: UUID) -> str:
    """The key of what is only mentioned to a tenant's users."""
    return f"now:{tenant}"


def _ids(tenant: UUID) -> str:
    return f"log:{tenant}:ids"


def _revoked(session: UUID) -> str:
    return f"log:revoked:{session}"
