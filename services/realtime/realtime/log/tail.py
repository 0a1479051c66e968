"""A blocking read of many event logs at once, on a dedicated Redis connection."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection

from realtime.log.entries import ReadEntry
from realtime.log.lua_scripts import EPOCH

EPOCH_KEY = "log:epoch"
BLOCK_MS = 5000
ANSWER_SECONDS = 10.0
ENTRIES_PER_READ = 500  # of each log


class Tail:
    """Waits for new entries. It raises redis-py's errors, and is unusable after one."""

    def __init__(self, connection: AbstractConnection, epoch: str, wake_key: str) -> None:
        self._connection = connection
        self._wake_key = wake_key
        self._last_wake = b"0-0"
        self.epoch = epoch

    async def wait(self, positions: Mapping[str, bytes]) -> list[tuple[str, list[ReadEntry]]]:
        """The entries of each stream after its position, as soon as there are any; empty after a wake or a timeout."""
        arguments = ["COUNT", ENTRIES_PER_READ, "BLOCK", BLOCK_MS, "STREAMS", self._wake_key, *positions]
        answer = await _command(self._connection, "XREAD", *arguments, self._last_wake, *positions.values()) or []
        if answer and answer[0][0] == self._wake_key.encode():
            self._last_wake = answer.pop(0)[1][-1][0]
        return [(key.decode(), [_stored_entry(*found) for found in entries]) for key, entries in answer]


def _stored_entry(stream_id: bytes, fields: Sequence[bytes]) -> ReadEntry:
    return ReadEntry(stream_id, *fields[1::2])


@asynccontextmanager
async def open_tail(redis: Redis, wake_key: str) -> AsyncIterator[Tail]:
    """Open the connection. `wake_key`: a stream; a new entry in it ends a wait."""
    connection: AbstractConnection = redis.connection_pool.make_connection()  # type: ignore[no-untyped-call]
    try:
        await connection.connect()  # type: ignore[no-untyped-call]
        epoch = await _command(connection, "EVAL", EPOCH, 1, EPOCH_KEY, uuid4().hex[:12])
        yield Tail(connection, epoch.decode(), wake_key)
    finally:
        await connection.disconnect(nowait=True)


async def _command(connection: AbstractConnection, *command: Any) -> Any:
    await connection.send_command(*command)
    return await connection.read_response(timeout=ANSWER_SECONDS)
