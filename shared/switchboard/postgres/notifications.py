"""LISTEN and NOTIFY of one process: one listening connection for all channels, notifications coalesced.

A NOTIFY inside a transaction serialises commits, so it is sent after the commit, by one statement for all that came
meanwhile. It may be lost with the process: whoever listens polls as well.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import structlog

from switchboard.runtime.background import name_of
from switchboard.runtime.unavailable import Unavailable

Wake = Callable[[], None]

PROBE_SECONDS = 30.0
RECONNECT_SECONDS = 1.0
UNAVAILABLE = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, Unavailable)

log = structlog.get_logger(__name__)


class Notifications:
    """Nudges out and nudges in."""

    def __init__(self, pool: asyncpg.Pool, listen_url: str, application: str) -> None:
        self._pool = pool
        self._listen_url = listen_url
        self._application = application
        self._wakes: dict[str, list[Wake]] = defaultdict(list)
        self._due: set[str] = set()
        self._something_due = asyncio.Event()
        self._channels_changed = asyncio.Event()

    def notify(self, channel: str) -> None:
        """Wake the listeners of `channel`: those here now, those elsewhere by the next NOTIFY."""
        self._wake(channel)
        self._due.add(channel)
        self._something_due.set()

    def listen(self, channel: str, wake: Wake) -> None:
        """Call `wake` for every nudge of `channel` from now on."""
        self._wakes[channel].append(wake)
        self._channels_changed.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Both directions run inside this block."""
        tasks = [asyncio.create_task(_forever(step)) for step in (self._send, self._listen)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _wake(self, channel: str) -> None:
        for wake in self._wakes.get(channel, ()):
            wake()

    async def _send(self) -> None:
        await self._something_due.wait()
        self._something_due.clear()
        channels, self._due = list(self._due), set()  # lost if this fails: those who listen poll
        await self._pool.execute("select pg_notify(c, '') from unnest($1::text[]) c", channels)

    async def _listen(self) -> None:
        await self._channels_changed.wait()
        try:
            await self._listen_until_broken()
        finally:
            self._channels_changed.set()  # not to wait for a new channel, next time
        await asyncio.sleep(RECONNECT_SECONDS)

    async def _listen_until_broken(self) -> None:
        settings = {"application_name": f"{self._application} listener"}
        conn = await asyncpg.connect(self._listen_url, timeout=5, command_timeout=10, server_settings=settings)
        try:
            conn.add_termination_listener(lambda _: self._channels_changed.set())
            listened: set[str] = set()
            while True:
                self._channels_changed.clear()
                for channel in set(self._wakes) - listened:
                    await conn.add_listener(channel, self._heard)
                    listened.add(channel)
                    self._wake(channel)  # what was nudged while nobody listened
                if conn.is_closed():
                    return
                try:
                    async with asyncio.timeout(PROBE_SECONDS):
                        await self._channels_changed.wait()
                except TimeoutError:
                    await conn.execute("select 1")
        finally:
            conn.terminate()

    def _heard(self, _conn: Any, _pid: int, channel: str, _payload: object) -> None:
        self._wake(channel)


async def _forever(step: Callable[[], Awaitable[None]]) -> None:
    """Whatever stops a step, it begins anew: nobody awaits this task, so nobody would notice its end."""
    while True:
        try:
            await step()
        except UNAVAILABLE as trouble:
            log.debug("notifications_interrupted", step=name_of(step), error=str(trouble))
            await asyncio.sleep(RECONNECT_SECONDS)
        except Exception:
            log.exception("notifications_broke", step=name_of(step))
            await asyncio.sleep(RECONNECT_SECONDS)
