"""One instance of a service: its connections, its state, what is under way at it."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from time import monotonic
from typing import Literal

from api_gateway.upstreams.connections import Connection
from api_gateway.upstreams.exchanges import NotSent

CONNECT_SECONDS = 2.0
IDLE_SECONDS = 30.0  # shorter than the 75 s after which services close idle connections: else a request meets a close
MOST_PENDING = 2000

State = Literal["ready", "hanging", "unready", "down"]


@dataclass(frozen=True, slots=True)
class Address:
    """Where an instance listens. `label` is what it is called in logs and `/health`."""

    host: str
    port: int
    label: str


class Instance:
    """Sends to one address over keep-alive connections, as many as there are requests at a time."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.state: State = "ready"  # until somebody finds it isn't
        self.pending = 0
        self.passed_through = 0  # of the open connections, how many are WebSockets: these are not bounded
        self._loop = asyncio.get_running_loop()
        self._idle: deque[Connection] = deque()
        self._all: set[Connection] = set()
        self._retired = False
        self.host_header = f"{address.label}".encode()

    async def connect(self) -> Connection:
        """An open connection, one that lies idle if there is one. Raises `NotSent`."""
        idle = self._idle
        while idle:
            connection = idle.pop()
            if connection.is_open and monotonic() - connection.free_since < IDLE_SECONDS:
                return connection
            connection.close()
        if len(self._all) - self.passed_through >= MOST_PENDING:
            raise NotSent(f"{self.address.label} has too much to do")
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                _, connection = await self._loop.create_connection(self._new, self.address.host, self.address.port)
        except (OSError, TimeoutError) as trouble:
            self.state = "down"
            raise NotSent(f"{self.address.label} can't be reached: {trouble}") from trouble
        self._all.add(connection)
        return connection

    async def ask(self, path: bytes, seconds: float) -> tuple[int, bytes]:
        """A small GET of our own. Raises `NotSent`, `Lost` or `TimeoutError`."""
        async with asyncio.timeout(seconds):
            connection = await self.connect()
            head = b"GET " + path + b" HTTP/1.1\r\nHost: " + self.host_header + b"\r\n\r\n"
            exchange = connection.begin(head, whole=True)
            try:
                await exchange.head
                return exchange.status, await exchange.whole()
            finally:
                connection.abandon(exchange)

    def give_up_waiting(self, why: str) -> None:
        """Requests that wait for an answer's head here are told so, and may go elsewhere."""
        for connection in list(self._all):
            connection.give_up(why)

    def drop_idle(self) -> None:
        """Close what has been idle for too long."""
        now = monotonic()
        while self._idle and (self._retired or now - self._idle[0].free_since >= IDLE_SECONDS):
            self._idle.popleft().close()

    def retire(self) -> None:
        """Send nothing here any more; what is under way finishes."""
        self._retired = True
        self.drop_idle()

    def close(self) -> None:
        for connection in list(self._all):
            connection.close()

    def _new(self) -> Connection:
        return Connection(self._loop, self._released)

    def _released(self, connection: Connection) -> None:
        if not connection.is_open:
            self._all.discard(connection)
        elif self._retired:
            connection.close()
        else:
            self._idle.append(connection)
