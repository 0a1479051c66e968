"""The life of one process, from its port to its end.

The port opens at once, answering `/livez` with 200 and everything else with 503 `starting`, while servers
that are away are waited for. SIGTERM: readiness fails first and requests are still served for `drain_notice`,
so that the gateway looks elsewhere; then loops are told to stop and requests to finish, both within
`drain_seconds`; then all is closed. A second SIGTERM, or the deadline, cancels what is left. A loop that
crashes ends the process.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import structlog
from aiohttp import web

from switchboard.http.server import HttpRunner
from switchboard.process.listener import open_port, starting_app
from switchboard.runtime.background import LOOPS, Backoff, Loop, Stop, run_loops
from switchboard.runtime.health import Health
from switchboard.runtime.settings import ServiceSettings
from switchboard.runtime.unavailable import is_unavailable

KEEP_ALIVE_SECONDS = 75.0  # longer than the gateway keeps a connection idle, so that it never uses one that we closed
HANDOVER_SECONDS = 1.0
LINGER_SECONDS = 0.1  # for the request of a connection that was accepted just now
CLOSE_SECONDS = 5.0

log = structlog.get_logger("switchboard.life")


@dataclass
class App:
    """What a service is made of, composed by its `open_app(settings)`, which closes it again."""

    http: web.Application
    health: Health
    loops: Sequence[Loop] = field(default_factory=tuple)


Opening = Callable[[], AbstractAsyncContextManager[App]]


class ServiceRunner:
    """One process. Raises `PortTaken` when made; `live` gives the exit code."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._socket = open_port(settings.host, settings.port)
        self._ending = Stop()
        self._opening = True

    async def live(self, opening: Opening) -> int:
        """Open the application, serve it, run its loops, until a signal or a crash."""
        stack = AsyncExitStack()
        try:
            with self._signals():
                await self._live(stack, opening)
        except asyncio.CancelledError:
            if not self._ending.is_set():
                raise
            log.warning("cut_short", reason="told to end once more" if not self._opening else "was still starting")
        except Exception as error:
            log.error("crashed", exc_info=error)
            return 1
        finally:
            self._socket.close()
            await _close(stack)
        log.info("ended")
        return 0

    async def _live(self, stack: AsyncExitStack, opening: Opening) -> None:
        log.info("listening", host=self._settings.host, port=self._socket.getsockname()[1])
        health = Health(self._settings.app_instance_id)
        async with AsyncExitStack() as serving:
            async with self._serving(starting_app(health), HANDOVER_SECONDS):
                app = await self._open(stack, opening, health)
                self._opening = False
                await serving.enter_async_context(self._serving(app.http, self._settings.drain_seconds))
            self._socket.close()  # else the port stays open when the application closes its own half
            app.health.mark_ready()
            log.info("ready")
            await self._work(app, serving)

    async def _open(self, stack: AsyncExitStack, opening: Opening, health: Health) -> App:
        """Try until the servers that it needs are there; one line for each change of what is waited for."""
        backoff, waiting_for = Backoff(), ""
        while True:
            try:
                return await stack.enter_async_context(opening())
            except Exception as error:
                if not is_unavailable(error):
                    raise
                if (reason := str(error) or type(error).__name__) != waiting_for:
                    log.warning("waiting", reason=reason)
                    health.waiting_for = waiting_for = reason
            await asyncio.sleep(backoff.pause())

    async def _work(self, app: App, serving: AsyncExitStack) -> None:
        """Run the loops until told to end, or until one crashes; then drain."""
        stop = Stop()
        loops = [*app.loops, *app.http.get(LOOPS, ()), Stop.wait]
        running = asyncio.create_task(run_loops(loops, stop))
        ending = asyncio.create_task(self._ending.wait())
        try:
            await asyncio.wait({running, ending}, return_when=asyncio.FIRST_COMPLETED)
            app.health.drain()
            if ending.done():
                await self._drain(running, stop, serving)
            else:
                await running
        finally:
            ending.cancel()
            running.cancel()
            await asyncio.gather(running, ending, return_exceptions=True)

    async def _drain(self, running: asyncio.Task[None], stop: Stop, serving: AsyncExitStack) -> None:
        log.info("draining")
        await asyncio.sleep(self._settings.drain_notice.total_seconds())
        stop.set()
        try:
            async with asyncio.timeout(self._settings.drain_seconds + 1):
                await asyncio.gather(running, serving.aclose())
        except TimeoutError:
            log.warning("drain_deadline", seconds=self._settings.drain_seconds)

    @asynccontextmanager
    async def _serving(self, app: web.Application, shutdown_seconds: float) -> AsyncIterator[None]:
        """Take connections for `app` from the port, which outlives it; at the end let requests finish."""
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
    def _signals(self) -> Iterator[None]:
        """SIGTERM and SIGINT: the first asks to end, a second one, or one during the start, cancels."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()

        def told() -> None:
            if (self._ending.is_set() or self._opening) and task is not None:
                task.cancel()
            self._ending.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, told)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)


async def _close(stack: AsyncExitStack) -> None:
    """Close what was opened, last first, within a bound; trouble at this point is worth a line, and no more."""
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await stack.aclose()
    except Exception as error:
        log.warning("closed_with_trouble", error=str(error) or type(error).__name__)
