"""Connections to RabbitMQ, opened when needed and again after a loss.

Nothing here is "robust" by itself: whoever uses a channel notices its end, and begins anew with a fresh one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import AMQPError, ChannelInvalidStateError
from pamqp.common import FieldTable
from yarl import URL

from switchboard.runtime.unavailable import Unavailable

CONNECT_SECONDS = 5.0
HEARTBEAT_SECONDS = 10
CLOSE_SECONDS = 2.0

BROKER_TROUBLE: tuple[type[BaseException], ...] = (AMQPError, ChannelInvalidStateError, OSError, TimeoutError)
LOST: tuple[type[BaseException], ...] = (RuntimeError, *BROKER_TROUBLE)
"""RuntimeError is aiormq's word for a connection that was lost and doesn't say so yet."""


class BrokerUnavailable(Unavailable):
    """RabbitMQ can't be reached, or broke off in the middle."""


class Broker:
    """One connection for one purpose: a memory alarm blocks a connection that publishes, acknowledgements and all."""

    def __init__(self, url: str, name: str) -> None:
        self._url = str(URL(url).update_query(heartbeat=HEARTBEAT_SECONDS))
        self._name = name
        self._connection: AbstractConnection | None = None
        self._connecting = asyncio.Lock()

    @asynccontextmanager
    async def channel(self, *, confirms: bool) -> AsyncIterator[AbstractChannel]:
        """A channel, closed at the end of the block. Raises `BrokerUnavailable`, also for errors inside the block.

        With `confirms` each publish waits for the broker's word, and what can't be routed raises.
        """
        with translated():
            async with asyncio.timeout(CONNECT_SECONDS):
                channel = await self._opened(confirms)
            try:
                yield channel
            finally:
                await self._close_within_reason(channel)

    async def _opened(self, confirms: bool) -> AbstractChannel:
        connection = await self._connected()
        try:
            return await connection.channel(publisher_confirms=confirms, on_return_raises=confirms)
        except LOST:  # since it was last used: nothing else tells
            await self._let_go(connection)
        connection = await self._connected()
        try:
            return await connection.channel(publisher_confirms=confirms, on_return_raises=confirms)
        except RuntimeError as error:
            await self._let_go(connection)
            raise BrokerUnavailable(f"RabbitMQ is away: {error}") from error

    async def check(self) -> None:
        """Raises `BrokerUnavailable` unless it is reached."""
        async with self.channel(confirms=False):
            pass

    async def close(self) -> None:
        """End the connection; the next channel opens another one."""
        if self._connection is not None:
            await self._let_go(self._connection)

    async def _let_go(self, connection: AbstractConnection) -> None:
        if self._connection is connection:  # and not what somebody else has opened in its place
            self._connection = None
        if not connection.is_closed:
            try:
                async with asyncio.timeout(CLOSE_SECONDS):
                    await connection.close()
            except BROKER_TROUBLE:
                pass  # it is over either way: without its heartbeats the broker drops it

    async def _close_within_reason(self, channel: AbstractChannel) -> None:
        if channel.is_closed:
            return
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await channel.close()
        except TimeoutError:
            # The broker may still have it open, with a consumer that keeps its queue's single active place.
            await self.close()
        except BROKER_TROUBLE:
            pass  # the connection is gone, and the channel with it

    async def _connected(self) -> AbstractConnection:
        async with self._connecting:
            if self._connection is None or self._connection.is_closed:
                self._connection = await self._connect()
            return self._connection

    async def _connect(self) -> AbstractConnection:
        names: FieldTable = {"connection_name": self._name}
        try:
            return await aio_pika.connect(self._url, timeout=CONNECT_SECONDS, client_properties=names)
        except (
            StopAsyncIteration
        ) as end:  # aiormq's word for a connection that is dropped in the middle of the greeting
            raise BrokerUnavailable("RabbitMQ is away: it hung up") from end


@contextmanager
def translated() -> Iterator[None]:
    """Broker trouble inside the block becomes `BrokerUnavailable`."""
    try:
        yield
    except BROKER_TROUBLE as trouble:
        raise BrokerUnavailable(f"RabbitMQ is away: {type(trouble).__name__}: {trouble}") from trouble
