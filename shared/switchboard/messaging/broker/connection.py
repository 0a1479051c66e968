"""Connections to RabbitMQ, opened when they are needed and again after a loss.

No channel recovers by itself: the code that uses a channel notices its end and starts over with a new one.

Patience grows with failure, up to a bound: on a machine that is busy for long, a fixed time limit would throw away work
that is nearly done, again and again. And slowness stays with the channel that meets it: the others of its connection go
on.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import AMQPError, ChannelInvalidStateError
from pamqp.common import FieldTable
from pamqp.exceptions import PAMQPException
from yarl import URL

from switchboard.runtime.background import cancel_and_wait
from switchboard.runtime.reconnecting import ReconnectGate
from switchboard.runtime.server_urls import urls_of_hosts
from switchboard.runtime.unavailable import Unavailable

CONNECT_SECONDS = 5.0  # to connect or to open a channel; doubled by each failure
MOST_CONNECT_SECONDS = 30.0
HEARTBEAT_SECONDS = 10
CLOSE_SECONDS = 2.0  # then the closing goes on in the background
MOST_CLOSE_SECONDS = 30.0

BROKER_ERRORS: tuple[type[BaseException], ...] = (
    AMQPError,
    ChannelInvalidStateError,
    PAMQPException,  # a frame that was cut off
    OSError,
    TimeoutError,
    EOFError,
    StopAsyncIteration,  # aiormq: closed during the handshake
    asyncio.InvalidStateError,  # aiormq: an answer for which nobody waits any more
)
UNTYPED_ERRORS = (Exception, RuntimeError)
"""aiormq raises them for a call on a connection that is closed meanwhile, uvloop for a transport that is closed."""


class BrokerUnavailable(Unavailable):
    """RabbitMQ can't be reached, or closed the connection or the channel."""


class Broker:
    """One connection for one purpose: a memory alarm blocks a connection that publishes, acknowledgements included.

    It leads to any one of the nodes that the URL names, and to the next one when that node is lost.
    """

    def __init__(self, url: str, name: str) -> None:
        self._nodes = [str(URL(node).update_query(heartbeat=HEARTBEAT_SECONDS)) for node in urls_of_hosts(url)]
        random.shuffle(self._nodes)  # so that the nodes share the connections of all processes
        self._gate = ReconnectGate()
        self._name = name
        self._connection: AbstractConnection | None = None
        self._connecting: asyncio.Task[AbstractConnection] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._patience = CONNECT_SECONDS

    @asynccontextmanager
    async def channel(self, *, confirms: bool) -> AsyncIterator[AbstractChannel]:
        """A channel, closed at the end of the block. Raises `BrokerUnavailable`, also for errors inside the block.

        `confirms`: publisher confirms. Each publish waits for the broker's confirm, and an unroutable message raises.
        """
        with translate_errors():
            connection, channel = await self._open_channel(confirms)
            try:
                yield channel
            finally:
                await self._close_channel(connection, channel)

    async def check(self) -> None:
        """Raises `BrokerUnavailable` unless RabbitMQ answers."""
        async with self.channel(confirms=False):
            pass

    async def close(self) -> None:
        """Close the connection. The next channel opens another one."""
        await cancel_and_wait([*self._closing, *([self._connecting] if self._connecting else [])])
        if self._connection is not None:
            await self._disconnect(self._connection)

    async def _open_channel(self, confirms: bool) -> tuple[AbstractConnection, AbstractChannel]:
        connection = await self._connected()
        try:
            return connection, await self._open_on(connection, confirms)
        except BaseException as error:
            if isinstance(error, TimeoutError) or not means_unavailable_broker(error):
                raise
            await self._disconnect(connection)  # an idle connection shows its loss only when it is used
        connection = await self._connected()
        return connection, await self._open_on(connection, confirms)

    async def _open_on(self, connection: AbstractConnection, confirms: bool) -> AbstractChannel:
        with self._patiently() as seconds:
            async with asyncio.timeout(seconds):
                return await connection.channel(publisher_confirms=confirms, on_return_raises=confirms)

    async def _close_channel(self, connection: AbstractConnection, channel: AbstractChannel) -> None:
        if channel.is_closed:
            return
        closing = asyncio.create_task(self._close_patiently(connection, channel))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
        await asyncio.wait([closing], timeout=CLOSE_SECONDS)

    async def _close_patiently(self, connection: AbstractConnection, channel: AbstractChannel) -> None:
        with suppress(BrokerUnavailable), translate_errors():  # the channel ended with its connection
            try:
                async with asyncio.timeout(MOST_CLOSE_SECONDS):
                    await channel.close()
            except TimeoutError:
                # On the broker it may be open, with a consumer that remains its queue's single active consumer.
                await self._disconnect(connection)

    async def _disconnect(self, connection: AbstractConnection) -> None:
        if self._connection is connection:  # another task may have replaced it
            self._connection = None
        if not connection.is_closed:
            with suppress(BrokerUnavailable), translate_errors():  # the broker drops it when its heartbeats end
                async with asyncio.timeout(CLOSE_SECONDS):
                    await connection.close()

    async def _connected(self) -> AbstractConnection:
        """The open connection. Concurrent callers share one attempt to open it, which goes on when one gives up."""
        if self._connection is not None and not self._connection.is_closed:
            return self._connection
        if self._connecting is None:
            self._connecting = asyncio.create_task(self._connect())
            self._connecting.add_done_callback(self._connect_ended)
        return await asyncio.shield(self._connecting)

    async def _connect(self) -> AbstractConnection:
        """Connect to the first node that answers. A node that did not is tried last by the next call."""
        if failure := self._gate.last_failure():
            raise ConnectionError(str(failure) or type(failure).__name__) from failure
        for _ in range(len(self._nodes) - 1):
            try:
                return await self._connect_to(self._nodes[0])
            except Exception as error:
                if not means_unavailable_broker(error):
                    raise
                self._nodes.append(self._nodes.pop(0))
        try:
            return await self._connect_to(self._nodes[0])
        except Exception as error:
            self._nodes.append(self._nodes.pop(0))
            self._gate.failed(error)
            raise

    async def _connect_to(self, node: str) -> AbstractConnection:
        names: FieldTable = {"connection_name": self._name}
        with self._patiently() as seconds:
            self._connection = await aio_pika.connect(node, timeout=seconds, client_properties=names)
        self._gate.succeeded()
        return self._connection

    def _connect_ended(self, connecting: asyncio.Task[AbstractConnection]) -> None:
        self._connecting = None
        if not connecting.cancelled():
            connecting.exception()  # each caller has got it, if one still waits

    @contextmanager
    def _patiently(self) -> Iterator[float]:
        """Seconds for one attempt: more after one that ran out of time, as at first after a success."""
        seconds = self._patience
        try:
            yield seconds
        except TimeoutError:
            self._patience = max(self._patience, min(2 * seconds, MOST_CONNECT_SECONDS))
            raise
        self._patience = CONNECT_SECONDS


@contextmanager
def translate_errors() -> Iterator[None]:
    """Raise errors of the broker inside the block as `BrokerUnavailable`."""
    try:
        yield
    except BaseException as error:
        if not means_unavailable_broker(error):
            raise
        raise BrokerUnavailable(f"RabbitMQ is unavailable: {error!r}") from error


def means_unavailable_broker(error: BaseException) -> bool:
    """Whether an error of a call to the broker means that it is unavailable. It is decided here and nowhere else.

    A cancellation that the current task was not asked for is aiormq's: it cancels the calls on a connection that ends.
    """
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is not None and not task.cancelling()
    return isinstance(error, BROKER_ERRORS) or type(error) in UNTYPED_ERRORS
