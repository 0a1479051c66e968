"""The writer of the event log."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha1
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from switchboard.event_log.append_script import APPEND
from switchboard.event_log.batches import BATCHES, channel_of
from switchboard.event_log.entries import LogEntry
from switchboard.runtime.redis import REDIS_ERRORS, RedisUnavailable

LOG = "log2"

_SHA = sha1(APPEND.encode(), usedforsecurity=False).hexdigest()


class EventLogWriter:
    """Appends to the event log."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def append(self, entries: Sequence[LogEntry], *, in_order: bool) -> list[int]:
        """Append a batch, in one round trip. Raises `RedisUnavailable`; then it isn't known what was appended.

        Returns for each entry its position; 0: it is there already; -1: the one before it is missing, so that it was
        left out. `in_order`: nothing is missing that will still come, as on the bus; a hint doesn't know.
        """
        arguments: list[str | bytes | int] = [LOG, BATCHES, channel_of(self._redis), int(in_order)]
        for entry in entries:
            number = "" if entry.sequence is None else entry.sequence
            arguments += str(entry.tenant), entry.subject, number, entry.id, entry.room, entry.rest
        with redis_errors_as_unavailable():
            try:
                answer = await self._redis.execute_command("EVALSHA", _SHA, 2, *arguments)  # type: ignore[no-untyped-call]
            except NoScriptError:
                answer = await self._redis.execute_command("EVAL", APPEND, 2, *arguments)  # type: ignore[no-untyped-call]
        return list(answer)


def tenant_key(tenant: UUID) -> str:
    """The key of a tenant's log."""
    return f"{LOG}:tenant:{tenant}"


@contextmanager
def redis_errors_as_unavailable() -> Iterator[None]:
    """Turn any error of Redis, a refused write included, into `RedisUnavailable`."""
    try:
        yield
    except REDIS_ERRORS as error:
        raise RedisUnavailable(f"redis is unavailable: {str(error) or type(error).__name__}") from error
