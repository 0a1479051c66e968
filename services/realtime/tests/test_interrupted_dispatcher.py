"""The dispatcher in which one await fails: it goes on, or ends its process."""

import asyncio
from collections.abc import Iterator
from itertools import count

import pytest
import redis.exceptions
from uuid_utils.compat import uuid7

from realtime.consumers import append_to_log
from realtime.fanout import Dispatcher
from realtime.log.event_log import EventLog, LogBounds
from switchboard.contracts.envelope import Envelope
from switchboard.messaging.outbox.rows import row_of
from switchboard.runtime.background import Loop, Stop
from switchboard.runtime.redis import open_redis
from switchboard.testing import until
from switchboard.testing.interrupted_awaits import connection_errors, goes_on_or_ends

from .fixtures import ANNA, TENANT, read_by

ERRORS = connection_errors(redis.exceptions)


@pytest.mark.parametrize(
    "error",
    [asyncio.CancelledError, redis.exceptions.ConnectionError]
    + [pytest.param(kind, marks=pytest.mark.slow) for kind in ERRORS],
)
async def test_an_interrupted_dispatcher_goes_on(redis_url: str, error: type[BaseException]) -> None:
    numbers: Iterator[int] = count(1)
    async with open_redis(redis_url) as client:
        log = EventLog(client, LogBounds())
        dispatchers: list[Dispatcher] = []

        async def append() -> None:
            row = row_of(read_by(ANNA, next(numbers)), source="conversations", tenant_id=TENANT, id=uuid7())
            await append_to_log([Envelope.decode(row.body)], log)

        async def dispatch_one() -> None:
            await append()
            end = await log.begin()
            await until(lambda: dispatchers[-1].position >= end.position)

        async def append_after(stop: Stop) -> None:
            await stop.wait()
            while True:
                await append()
                await asyncio.sleep(0.05)

        def make() -> Loop:
            dispatcher = Dispatcher(log)
            dispatchers.append(dispatcher)

            async def dispatch(stop: Stop) -> None:
                appending = asyncio.create_task(append_after(stop))  # at the next entry it sees that it has to stop
                try:
                    await dispatcher._keep_dispatching(stop)  # which ends `run`
                finally:
                    appending.cancel()

            return dispatch

        assert await goes_on_or_ends(make, dispatch_one, error) > 3
