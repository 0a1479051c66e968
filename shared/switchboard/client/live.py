"""Live events, each exactly once and in order, across lost connections and failed servers.

    async with LiveClient("https://crm.example", token, on_event=on_event, on_reload=on_reload) as client:
        await client.closed()

`on_event(event)` is called for each event. `on_reload()` is called when events may have been missed: at the start, and
when the server's log no longer reaches back to the last position. Fetch the state by HTTP then. Events that happen
during the fetch arrive afterwards, so applying one that the state already contains must do no harm (a message has its
`seq`). If the state is kept across restarts of the program, keep `last_event_id` with it.
"""

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
MAX_PENDING = 10_000  # events received and not yet handled; further ones are left in the server's log


@dataclass(frozen=True, slots=True)
class LiveEvent:
    """One event. `event_id` is its position in the server's log, `id` the id of the message."""

    type: str
    id: str
    event_id: str
    time: str
    data: Mapping[str, Any]


class SessionRejected(Exception):
    """The session is invalid or has ended."""


class LiveClient:
    """A connection that reconnects to any of several addresses and resumes at the last position.

    `on_event` and `on_reload` are awaited one after another, so a slow one delays later events and never reorders them.
    An exception from one of them ends the client, and `closed()` raises it.
    """

    def __init__(
        self,
        urls: str | Sequence[str],
        token: str,
        *,
        on_event: Callable[[LiveEvent], Awaitable[None]],
        on_reload: Callable[[], Awaitable[None]],
        transports: Sequence[str] = ("websocket",),
        last_event_id: str | None = None,
    ) -> None:
        self._urls = [urls] if isinstance(urls, str) else list(urls)
        self._token = token
        self._on_event = on_event
        self._on_reload = on_reload
        self._transports = list(transports)
        self._running: asyncio.Task[None] | None = None
        self._socket: socketio.AsyncClient | None = None
        self._pending: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()
        self._ended = asyncio.Event()
        self._rejected = False
        self.last_event_id = last_event_id
        self.connected = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._running = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait({self._running})
        await self.disconnect()

    async def closed(self) -> None:
        """Wait until the client ends. Raises `SessionRejected`, or the exception of `on_event` or `on_reload`."""
        if self._running is not None:
            await asyncio.shield(self._running)

    async def disconnect(self) -> None:
        """Close the current connection. The client reconnects."""
        if self._socket is not None:
            await self._socket.disconnect()

    async def _run(self) -> None:
        handling = asyncio.create_task(self._handle_pending())
        connecting = asyncio.create_task(self._keep_connected())
        try:
            done, _ = await asyncio.wait({handling, connecting}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (handling, connecting):
                task.cancel()
            await asyncio.wait({handling, connecting})
            self.connected.clear()

    async def _keep_connected(self) -> None:
        pause = FIRST_PAUSE
        while not self._rejected:
            if await self._connect():
                pause = FIRST_PAUSE
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(pause * 2, LONGEST_PAUSE)
        raise SessionRejected

    async def _connect(self) -> bool:
        """Connect to the next address and wait until the connection ends. False: it could not be made."""
        self._urls.append(self._urls.pop(0))
        self._ended = asyncio.Event()
        socket = self._socket = self._new_socket(self._ended)
        auth = {"token": self._token, "last_event_id": self.last_event_id}
        try:
            await socket.connect(self._urls[-1], auth=auth, transports=self._transports, wait_timeout=CONNECT_SECONDS)
        except exceptions.ConnectionError:
            self._ended.set()  # ignore events that still arrive: the next connection brings them again
            await self._leave(socket)
            return False
        _raise_if_cancelled()
        await self._ended.wait()  # not `socket.wait()`: a cancellation would cancel the socket's reader
        await self._leave(socket)  # still open if it was ended by too many pending events
        return True

    async def _leave(self, socket: socketio.AsyncClient) -> None:
        await socket.disconnect()
        self.connected.clear()
        await self._pending.join()  # the next connection resumes after the events that are handled

    def _new_socket(self, ended: asyncio.Event) -> socketio.AsyncClient:
        socket = socketio.AsyncClient(reconnection=False, handle_sigint=False)

        async def receive(name: str, payload: Any = None, *_: Any) -> None:
            if self._pending.qsize() >= MAX_PENDING:
                ended.set()  # accept no more from this connection; the next one resumes from there
            if isinstance(payload, dict) and not ended.is_set():
                self._pending.put_nowait((name, payload))

        async def end(*_: Any) -> None:
            ended.set()

        async def reject(reason: Any) -> None:
            self._rejected = isinstance(reason, dict) and reason.get("message") == "unauthenticated"

        socket.on("*", receive)
        socket.on("disconnect", end)
        socket.on("connect_error", reject)
        return socket

    async def _handle_pending(self) -> None:
        while True:
            name, payload = await self._pending.get()
            try:
                await self._handle(name, payload)
            finally:
                self._pending.task_done()

    async def _handle(self, name: str, payload: dict[str, Any]) -> None:
        if name == "session.ready":
            self.connected.set()
            if not payload["resumed"]:
                await self._on_reload()
                self.last_event_id = payload["last_event_id"]
        elif name == "session.cursor":
            self.last_event_id = payload["last_event_id"]
        elif "event_id" in payload:
            await self._on_event(LiveEvent(name, payload["id"], payload["event_id"], payload["time"], payload["data"]))
            self.last_event_id = payload["event_id"]


def _raise_if_cancelled() -> None:
    """Raise a cancellation that `asyncio.wait_for`, used by the library, swallows before Python 3.12."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
