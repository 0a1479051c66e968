"""What is published while an instance listens, on a Redis connection of its own."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection

from switchboard.runtime.redis import RedisUnavailable

SILENT_SECONDS = 5.0  # then Redis is asked whether it is there
ANSWER_SECONDS = 5.0


class Subscriber:
    """Hears channels. It raises redis-py's errors, and is unusable after one.

    It never reconnects by itself: whoever listens has to read what was published meanwhile.
    """

    def __init__(self, connection: AbstractConnection) -> None:
        self._connection = connection

    async def next(self) -> tuple[bytes, bytes]:
        """The channel and the text of the next publication. Raises `RedisUnavailable` when Redis hangs."""
        asked = False
        while True:
            try:
                async with asyncio.timeout(ANSWER_SECONDS if asked else SILENT_SECONDS):
                    kind, *published = await self._read()
            except TimeoutError:
                if asked:
                    raise RedisUnavailable("redis has stopped answering") from None
                asked = True
                await self._connection.send_command("PING", check_health=False)
                continue
            asked = False
            if kind == b"message":
                channel, text = published
                return channel, text

    async def _read(self) -> list[bytes]:
        # An interrupted read leaves what it has read in the parser, so the connection stays usable.
        answer: list[bytes] = await self._connection.read_response(timeout=math.inf, disconnect_on_error=False)
        return answer


@asynccontextmanager
async def open_subscriber(redis: Redis, *channels: str) -> AsyncIterator[Subscriber]:
    """Open the connection. What is published from now on is heard, until the connection is lost."""
    connection: AbstractConnection = redis.connection_pool.make_connection()  # type: ignore[no-untyped-call]
    try:
        await connection.connect()  # type: ignore[no-untyped-call]
        await connection.send_command("SUBSCRIBE", *channels)
        for _ in channels:
            await connection.read_response(timeout=ANSWER_SECONDS)
        yield Subscriber(connection)
    finally:
        await connection.disconnect(nowait=True)
