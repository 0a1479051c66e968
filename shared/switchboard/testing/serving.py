"""Serve an application on a port, in the test's own process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from aiohttp import web

from switchboard.http.server import HttpRunner
from switchboard.process.runner import App
from switchboard.runtime.background import LOOPS, Stop


@asynccontextmanager
async def served(opening: AbstractAsyncContextManager[App], port: int = 0) -> AsyncIterator[str]:
    """Run the application and its loops as a process would, and yield its URL."""
    async with opening as app:
        runner = HttpRunner(app.http, access_log=None, keepalive_timeout=75, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        app.health.mark_ready()
        stop = Stop()
        loops = [asyncio.create_task(loop(stop)) for loop in [*app.loops, *app.http.get(LOOPS, ())]]
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            stop.set()
            await asyncio.wait_for(asyncio.gather(*loops), 10)
            await runner.cleanup()
