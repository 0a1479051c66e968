"""Live events, each exactly once and in order, across lost connections and dead servers.

    async with Live("https://crm.example", token, hear=on_event, reload=on_reload) as live:
        await live.closed()

`hear(event)` is called for each event; `reload()` whenever events may have been missed for good: at the start, and when
the server's log no longer reaches back to where we were. Fetch the state by HTTP then. What happens while you fetch
comes as events too: one that the state has already must do no harm (a message has its `seq`). Where state is kept
across restarts of the program, keep `last_event_id` with it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import socketio
from socketio import exceptions

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 5.0
CONNECT_SECONDS = 10.0
MOST_WAITING = 10_000  # events that a slow `hear` may be behind; beyond, they wait in the server's log


@dataclass(frozen=True, slots=True)
class Happened:
    """One event. `event_id` is its place in the log, `id` its own."""

    type: str
    id: str
    event_id: str
    time: str
    data: Mapping[str, Any]


class Unauthenticated(Exception):
    """The session is not good, or not any more."""


class Live:
    """A connection that is always made again, to any of several addresses, and goes on where it was.

    `hear` and `reload` are awaited, one after the other: a slow one delays later events, it doesn't mix them up. What
    one of them raises ends it all, and comes out of `closed()`.
    """

    def __init__(
        self,
        urls: str | Sequence[str],
        token: str,
        *,
        hear: Callable[[Happened], Awaitable[None]],
        reload: Callable[[], Awaitable[None]],
        transports: Sequence[str] = ("websocket",),
        last_event_id: str | None = None,
    ) -> None:
        self._urls = [urls] if isinstance(urls, str) else list(urls)
        self._token = token
        self._hear = hear
        self._reload = reload
        self._transports = list(transports)
        self._running: asyncio.Task[None] | None = None
        self._socket: socketio.AsyncClient | None = None
        self._arrived: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()
        self._ended = asyncio.Event()
        self._refused = False
        self.last_event_id = last_event_id
        self.connected = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._running = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait({self._running})
        await self.cut()

    async def closed(self) -> None:
        """Wait for the end: raises `Unauthenticated` when the session is over, or what `hear` or `reload` raised."""
        if self._running is not None:
            await asyncio.shield(self._running)

    async def cut(self) -> None:
        """Drop the connection as it is; it will be made again."""
        if self._socket is not None:
            await self._socket.disconnect()

    async def _run(self) -> None:
        handling = asyncio.create_task(self._handle())
        connecting = asyncio.create_task(self._connect_again_and_again())
        try:
            done, _ = await asyncio.wait({handling, connecting}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (handling, connecting):
                task.cancel()
            await asyncio.wait({handling, connecting})
            self.connected.clear()

    async def _connect_again_and_again(self) -> None:
        pause = FIRST_PAUSE
        while not self._refused:
            if await self._stay_connected():
                pause = FIRST_PAUSE
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(pause * 2, LONGEST_PAUSE)
        raise Unauthenticated

    async def _stay_connected(self) -> bool:
        """One connection, to its end. Whether there was one."""
        self._urls.append(self._urls.pop(0))
        self._ended = asyncio.Event()
        socket = self._socket = self._new_socket(self._ended)
        auth = {"token": self._token, "last_event_id": self.last_event_id}
        try:
            await socket.connect(self._urls[-1], auth=auth, transports=self._transports, wait_timeout=CONNECT_SECONDS)
        except exceptions.ConnectionError:
            self._ended.set()  # what it may still bring is not for us: the next one brings it again
            await socket.disconnect()
            return False
        _heed_cancellation()
        await self._ended.wait()  # not `socket.wait()`: cancelled, it would cancel the client's own reading
        await socket.disconnect()  # ours to end, where we are the ones who hear no more
        self.connected.clear()
        await self._arrived.join()  # what it brought counts before we say where we are
        return True

    def _new_socket(self, ended: asyncio.Event) -> socketio.AsyncClient:
        socket = socketio.AsyncClient(reconnection=False, handle_sigint=False)

        async def hear(name: str, payload: Any = None, *_: Any) -> None:
            if self._arrived.qsize() >= MOST_WAITING:
                ended.set()  # nothing further from this connection: the next one begins where we are then
            if isinstance(payload, dict) and not ended.is_set():
                self._arrived.put_nowait((name, payload))

        async def end(*_: Any) -> None:
            ended.set()

        async def refuse(reason: Any) -> None:
            self._refused = isinstance(reason, dict) and reason.get("message") == "unauthenticated"

        socket.on("*", hear)
        socket.on("disconnect", end)
        socket.on("connect_error", refuse)
        return socket

    async def _handle(self) -> None:
        while True:
            name, payload = await self._arrived.get()
            try:
                await self._take(name, payload)
            finally:
                self._arrived.task_done()

    async def _take(self, name: str, payload: dict[str, Any]) -> None:
        if name == "session.ready":
            self.connected.set()
            if not payload["resumed"]:
                await self._reload()
                self.last_event_id = payload["last_event_id"]
        elif name == "session.cursor":
            self.last_event_id = payload["last_event_id"]
        elif "event_id" in payload:
            await self._hear(Happened(name, payload["id"], payload["event_id"], payload["time"], payload["data"]))
            self.last_event_id = payload["event_id"]


def _heed_cancellation() -> None:
    """Until Python 3.12 `asyncio.wait_for`, which the library waits with, swallows one that comes with the result."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
