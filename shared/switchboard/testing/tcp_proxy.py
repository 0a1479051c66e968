"""A TCP proxy in front of a server that can cut and slow down connections."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class TcpProxy:
    """Forwards connections to a port. `delay`: seconds that each chunk is held back, in both directions."""

    def __init__(self, target: int) -> None:
        self.delay = 0.0
        self.connections = 0  # accepted so far
        self._target = target
        self._open: set[asyncio.StreamWriter] = set()

    def cut(self) -> int:
        """Abort all connections at once, like a pulled cable. Returns their number."""
        ended = len(self._open) // 2
        for writer in list(self._open):
            writer.transport.abort()
        return ended

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client until either side closes."""
        self.connections += 1
        try:
            there, onward = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:  # the server is down
            writer.transport.abort()
            return
        both = {writer, onward}
        self._open |= both
        try:
            await asyncio.gather(self._pass_on(reader, onward), self._pass_on(there, writer))
        except asyncio.CancelledError:
            return  # the proxy stops: this task's result is not needed
        finally:
            self._open -= both
            for each in both:
                each.transport.abort()

    async def _pass_on(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while piece := await source.read(65536):
                if self.delay:
                    await asyncio.sleep(self.delay)
                target.write(piece)
                await target.drain()
            if target.can_write_eof():
                target.write_eof()
            return
        target.transport.abort()


@asynccontextmanager
async def open_proxy(port: int, target: int) -> AsyncIterator[TcpProxy]:
    """Listen on `port` of loopback, and forward to `target`."""
    proxy = TcpProxy(target)
    server = await asyncio.start_server(proxy.take, "127.0.0.1", port)
    try:
        yield proxy
    finally:
        server.close()
        proxy.cut()
        await server.wait_closed()
