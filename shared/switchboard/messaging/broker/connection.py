"""Connections to RabbitMQ, opened when they are needed and again after a loss.

No channel recovers by itself: the code that uses a channel notices its end and starts over with a new one.
"""

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

BROKER_ERRORS: tuple[type[BaseException], ...] = (AMQPError, ChannelInvalidStateError, OSError, TimeoutError)
LOST_CONNECTION_ERRORS: tuple[type[BaseException], ...] = (RuntimeError, *BROKER_ERRORS)
"""aiormq raises RuntimeError for a connection that was lost without its noticing."""


class BrokerUnavailable(Unavailable):
    """RabbitMQ can't be reached, or closed the connection or the channel."""


class Broker:
    """One connection for one purpose: a memory alarm blocks a connection that publishes, acknowledgements included."""

    def __init__(self, url: str, name: str) -> None:
        self._url = str(URL(url).update_query(heartbeat=HEARTBEAT_SECONDS))
        self._name = name
        self._connection: AbstractConnection | None = None
        self._connecting = asyncio.Lock()

    @asynccontextmanager
    async def channel(self, *, confirms: bool) -> AsyncIterator[AbstractChannel]:
        """A channel, closed at the end of the block. Raises `BrokerUnavailable`, also for errors inside the block.

        `confirms`: publisher confirms. Each publish waits for the broker's confirm, and an unroutable message raises.
        """
        with translate_errors():
            async with asyncio.timeout(CONNECT_SECONDS):
                channel = await self._open_channel(confirms)
            try:
                yield channel
            finally:
                await self._close_channel(channel)

    async def _open_channel(self, confirms: bool) -> AbstractChannel:
        connection = await self._connect_once()
        try:
            return await connection.channel(publisher_confirms=confirms, on_return_raises=confirms)
        except LOST_CONNECTION_ERRORS:  # an idle connection shows its loss only when it is used
            await self._disconnect(connection)
        connection = await self._connect_once()
        try:
            return await connection.channel(publisher_confirms=confirms, on_return_raises=confirms)
        except RuntimeError as error:
            await self._disconnect(connection)
            raise BrokerUnavailable(f"RabbitMQ is unavailable: {error}") from error

    async def check(self) -> None:
        """Raises `BrokerUnavailable` unless RabbitMQ answers."""
        async with self.channel(confirms=False):
            pass

    async def close(self) -> None:
        """Close the connection. The next channel opens another one."""
        if self._connection is not None:
            await self._disconnect(self._connection)

    async def _disconnect(self, connection: AbstractConnection) -> None:
        if self._connection is connection:  # another task may have replaced it
            self._connection = None
        if not connection.is_closed:
            try:
                async with asyncio.timeout(CLOSE_SECONDS):
                    await connection.close()
            except BROKER_ERRORS:
                pass  # the broker drops it when its heartbeats end

    async def _close_channel(self, channel: AbstractChannel) -> None:
        if channel.is_closed:
            return
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await channel.close()
        except TimeoutError:
            # On the broker it may still be open, with a consumer that remains its queue's single active consumer.
            await self.close()
        except BROKER_ERRORS:
            pass  # the channel ended with its connection

    async def _connect_once(self) -> AbstractConnection:
        """The open connection; concurrent callers share one attempt to open it."""
        async with self._connecting:
            if self._connection is None or self._connection.is_closed:
                self._connection = await self._connect()
            return self._connection

    async def _connect(self) -> AbstractConnection:
        names: FieldTable = {"connection_name": self._name}
        try:
            return await aio_pika.connect(self._url, timeout=CONNECT_SECONDS, client_properties=names)
        except StopAsyncIteration as error:  # aiormq raises it for a connection that is closed during the handshake
            raise BrokerUnavailable("RabbitMQ is unavailable: it closed the connection") from error


@contextmanager
def translate_errors() -> Iterator[None]:
    """Raise errors of the broker inside the block as `BrokerUnavailable`."""
    try:
        yield
    except BROKER_ERRORS as error:
        raise BrokerUnavailable(f"RabbitMQ is unavailable: {type(error).__name__}: {error}") from error
