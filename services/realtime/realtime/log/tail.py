"""One connection that waits for new entries of many logs at once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection

from realtime.log import lua_scripts as scripts
from realtime.log.entries import Entry

EPOCH_KEY = "log:epoch"
BLOCK_MS = 5000
ANSWER_SECONDS = 10.0
ENTRIES_AT_ONCE = 500  # of each log


class Tail:
    """Raises redis-py's own errors, and after one is of no more use."""

    def __init__(self, connection: AbstractConnection, epoch: str, wake: str) -> None:
        self._connection = connection
        self._wake = wake
        self._woken = b"0-0"
        self.epoch = epoch

    async def wait(self, places: Mapping[str, bytes]) -> list[tuple[str, list[Entry]]]:
        """What these streams hold after these places, as soon as one holds anything; perhaps nothing."""
        arguments = ["COUNT", ENTRIES_AT_ONCE, "BLOCK", BLOCK_MS, "STREAMS", self._wake, *places, self._woken]
        answer = await _ask(self._connection, "XREAD", *arguments, *places.values()) or []
        if answer and answer[0][0] == self._wake.encode():
            self._woken = answer.pop(0)[1][-1][0]
        return [(key.decode(), [_entry(*found) for found in entries]) for key, entries in answer]


def _entry(place: bytes, fields: Sequence[bytes]) -> Entry:
    return Entry(place, *fields[1::2])


@asynccontextmanager
async def open_tail(redis: Redis, wake: str) -> AsyncIterator[Tail]:
    """`wake`: the key of a stream; an entry in it ends a wait."""
    connection: AbstractConnection = redis.connection_pool.make_connection()  # type: ignore[no-untyped-call]
    try:
        await connection.connect()  # type: ignore[no-untyped-call]
        epoch = await _ask(connection, "EVAL", scripts.EPOCH, 1, EPOCH_KEY, uuid4().hex[:12])
        yield Tail(connection, epoch.decode(), wake)
    finally:
        await connection.disconnect(nowait=True)


async def _ask(connection: AbstractConnection, *command: Any) -> Any:
    await connection.send_command(*command)
    return await connection.read_response(timeout=ANSWER_SECONDS)
