"""LISTEN and NOTIFY of one process: one listening connection for all channels, and coalesced notifications.

A NOTIFY inside a transaction serialises commits, so it is sent after the commit, by one statement for all channels that
are due. It may be lost with the process: listeners poll as well.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

import asyncpg
import structlog

from switchboard.postgres.hosts import Hosts, takes_writes
from switchboard.runtime.background import qualified_name
from switchboard.runtime.unavailable import Unavailable

Wake = Callable[[], None]

PROBE_SECONDS = 30.0
PRIMARY_PROBE_SECONDS = 3.0  # with several hosts: notifications come from the primary alone
RECONNECT_SECONDS = 1.0
CONNECTION_ERRORS = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, Unavailable)

log = structlog.get_logger(__name__)


class Notifications:
    def __init__(self, pool: asyncpg.Pool, hosts: Hosts, application: str) -> None:
        self._pool = pool
        self._hosts = hosts
        self._application = application
        self._wakes: dict[str, list[Wake]] = defaultdict(list)
        self._due: set[str] = set()
        self._notified_at: dict[str, float] = {}
        self._any_due = asyncio.Event()
        self._channels_changed = asyncio.Event()

    def notify(self, channel: str, *, at_most_every: float = 0.0) -> None:
        """Wake the listeners of `channel`: in this process now, in others by the next NOTIFY."""
        now = monotonic()
        if now - self._notified_at.get(channel, -at_most_every) < at_most_every:
            return
        self._notified_at[channel] = now
        self._wake(channel)
        self._due.add(channel)
        self._any_due.set()

    def listen(self, channel: str, wake: Wake) -> None:
        """Call `wake` for every notification of `channel` from now on."""
        self._wakes[channel].append(wake)
        self._channels_changed.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Send and listen in the background, inside the block."""
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
        await self._any_due.wait()
        self._any_due.clear()
        channels, self._due = list(self._due), set()  # lost if this fails: listeners poll
        await self._pool.execute("select pg_notify(c, '') from unnest($1::text[]) c", channels)

    async def _listen(self) -> None:
        await self._channels_changed.wait()
        try:
            await self._listen_until_broken()
        finally:
            self._channels_changed.set()  # so that the next attempt does not wait for a new channel
        await asyncio.sleep(RECONNECT_SECONDS)

    async def _listen_until_broken(self) -> None:
        settings = {"application_name": f"{self._application} listener"}
        conn = await self._hosts.connect(timeout=5, command_timeout=10, server_settings=settings)
        try:
            conn.add_termination_listener(lambda _: self._channels_changed.set())
            listened: set[str] = set()
            while True:
                self._channels_changed.clear()
                for channel in set(self._wakes) - listened:
                    await conn.add_listener(channel, self._on_notification)
                    listened.add(channel)
                    self._wake(channel)  # for notifications that were sent before we listened
                if conn.is_closed():
                    return
                try:
                    async with asyncio.timeout(PRIMARY_PROBE_SECONDS if self._hosts.only_writable else PROBE_SECONDS):
                        await self._channels_changed.wait()
                except TimeoutError:
                    await conn.execute("select 1")
                if self._hosts.only_writable and not takes_writes(conn):
                    return
        finally:
            conn.terminate()

    def _on_notification(self, _conn: Any, _pid: int, channel: str, _payload: object) -> None:
        self._wake(channel)


async def _forever(step: Callable[[], Awaitable[None]]) -> None:
    """Repeat `step` through every error: no other task awaits this one, so its end would go unnoticed."""
    while True:
        try:
            await step()
        except CONNECTION_ERRORS as error:
            log.debug("notifications_interrupted", step=qualified_name(step), error=str(error))
            await asyncio.sleep(RECONNECT_SECONDS * random.uniform(0.5, 1.5))
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) is None or task.cancelling():
                raise
            await asyncio.sleep(RECONNECT_SECONDS)  # an operation of a lost connection was cancelled
        except Exception:
            log.exception("notifications_broke", step=qualified_name(step))
            await asyncio.sleep(RECONNECT_SECONDS)
