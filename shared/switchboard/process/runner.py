"""`ServiceRunner`: start, readiness and graceful shutdown of one process.

**Start.** The port opens at once. While the application opens, and waits for unavailable servers, `/livez` answers 200
and every other path 503 `starting`.

**Graceful shutdown**, on SIGTERM or SIGINT:

1. `/readyz` fails, and requests are still served for `drain_notice`, until the gateway has noticed.
2. The loops stop, and requests in progress finish, both within `drain_seconds`.
3. All connections are closed, in reverse order of opening.

A second signal, or the deadline, cancels the remaining work. A loop that crashes ends the process with exit code 1.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import structlog
from aiohttp import web

from switchboard.http.server import HttpRunner
from switchboard.postgres.standby import StandbyRequired
from switchboard.process.listener import open_listener, starting_app
from switchboard.runtime.background import LOOPS, Backoff, Loop, Stop, run_loops
from switchboard.runtime.health import Health
from switchboard.runtime.pinned_data import data_versions
from switchboard.runtime.settings import ServiceSettings
from switchboard.runtime.unavailable import is_unavailable

KEEP_ALIVE_SECONDS = 75.0  # longer than the gateway keeps idle connections, so that it never uses one closed here
HANDOVER_SECONDS = 1.0
LINGER_SECONDS = 0.1  # for requests on connections that have just been accepted
CLOSE_SECONDS = 5.0

log = structlog.get_logger("switchboard.process")


@dataclass
class App:
    """A composed service, ready to run. Opened and closed by its `open_app(settings)`."""

    http: web.Application
    health: Health
    loops: Sequence[Loop] = field(default_factory=tuple)


OpenApp = Callable[[], AbstractAsyncContextManager[App]]


class ServiceRunner:
    """Runs one service in this process. The constructor opens the port and raises `PortTaken`."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._socket = open_listener(settings.host, settings.port)
        self._shutdown = Stop()
        self._starting = True

    async def run(self, open_app: OpenApp) -> int:
        """Open the application, serve it and run its loops until a signal or a crash. Returns the exit code."""
        stack = AsyncExitStack()
        try:
            with self._signal_handlers():
                await self._run(stack, open_app)
        except asyncio.CancelledError:
            if not self._shutdown.is_set():
                raise
            log.warning("cut_short", reason="signal during the start" if self._starting else "second signal")
        except StandbyRequired as error:
            log.error("cannot_start", reason=str(error))
            return 2
        except Exception as error:
            log.error("crashed", exc_info=error)
            return 1
        finally:
            self._socket.close()
            await _close(stack)
        log.info("ended")
        return 0

    async def _run(self, stack: AsyncExitStack, open_app: OpenApp) -> None:
        log.info("listening", host=self._settings.host, port=self._socket.getsockname()[1], **data_versions())
        health = Health(self._settings.app_instance_id)
        async with AsyncExitStack() as server:
            async with self._serve(starting_app(health), HANDOVER_SECONDS):
                app = await self._open(stack, open_app, health)
                self._starting = False
                await server.enter_async_context(self._serve(app.http, self._settings.drain_seconds))
            self._socket.close()  # the server has its own duplicate, which it closes at the shutdown
            app.health.mark_ready()
            log.info("ready")
            await self._run_until_shutdown(app, server)

    async def _open(self, stack: AsyncExitStack, open_app: OpenApp, health: Health) -> App:
        """Open the application, retrying while a server is unavailable. Each change of the reason is logged once."""
        backoff, waiting_for = Backoff(), ""
        while True:
            try:
                return await stack.enter_async_context(open_app())
            except Exception as error:
                if not is_unavailable(error):
                    raise
                if (reason := str(error) or type(error).__name__) != waiting_for:
                    log.warning("waiting", reason=reason)
                    health.waiting_for = waiting_for = reason
            await asyncio.sleep(backoff.pause())

    async def _run_until_shutdown(self, app: App, server: AsyncExitStack) -> None:
        """Run the loops until a signal, then shut down gracefully; or until a loop crashes."""
        stop = Stop()
        loops = asyncio.create_task(run_loops([*app.loops, *app.http.get(LOOPS, ()), Stop.wait], stop))
        shutdown = asyncio.create_task(self._shutdown.wait())
        try:
            await asyncio.wait({loops, shutdown}, return_when=asyncio.FIRST_COMPLETED)
            app.health.drain()
            if shutdown.done():
                await self._drain(loops, stop, server)
            else:
                await loops
        finally:
            shutdown.cancel()
            loops.cancel()
            await asyncio.gather(loops, shutdown, return_exceptions=True)

    async def _drain(self, loops: asyncio.Task[None], stop: Stop, server: AsyncExitStack) -> None:
        """Steps 1 and 2 of the graceful shutdown; readiness fails already."""
        log.info("draining")
        await asyncio.sleep(self._settings.drain_notice.total_seconds())
        stop.set()
        try:
            async with asyncio.timeout(self._settings.drain_seconds + 1):
                await asyncio.gather(loops, server.aclose())
        except TimeoutError:
            log.warning("drain_deadline", seconds=self._settings.drain_seconds)

    @asynccontextmanager
    async def _serve(self, app: web.Application, shutdown_seconds: float) -> AsyncIterator[None]:
        """Serve `app` on a duplicate of the listening socket; at the end let requests in progress finish."""
        runner = HttpRunner(
            app, access_log=None, keepalive_timeout=KEEP_ALIVE_SECONDS, shutdown_timeout=shutdown_seconds
        )
        await runner.setup()
        try:
            await web.SockSite(runner, self._socket.dup()).start()
            yield
        finally:
            for site in runner.sites:
                await site.stop()
            await asyncio.sleep(LINGER_SECONDS)
            await runner.cleanup()

    @contextmanager
    def _signal_handlers(self) -> Iterator[None]:
        """Handle SIGTERM and SIGINT: the first starts the shutdown; a second one, or one during the start, cancels."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()

        def on_signal() -> None:
            if (self._shutdown.is_set() or self._starting) and task is not None:
                task.cancel()
            self._shutdown.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, on_signal)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)


async def _close(stack: AsyncExitStack) -> None:
    """Step 3: close the connections within a deadline. An error here is logged and has no other effect."""
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await stack.aclose()
    except Exception as error:
        log.warning("closed_with_trouble", error=str(error) or type(error).__name__)
