"""Finds the primary among several hosts, and connects to it.

The host that was found last is tried first. If it does not answer within a second, or takes no writes, all hosts are
tried at once: a host that hangs delays nothing. Attempts after a failure are bounded by a `ReconnectGate`.
"""

import asyncio
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg

from switchboard.runtime.background import cancel_and_wait
from switchboard.runtime.reconnecting import ReconnectGate
from switchboard.runtime.server_urls import host_of, urls_of_hosts

LAST_HOST_SECONDS = 1.0
SHORT_PAUSE = 0.1  # of the gate: worth waiting for

HOST_ERRORS = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # starting, shutting down
    asyncpg.InsufficientResourcesError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # `TargetServerAttributeNotMatched` is one
)


class NoPrimary(ConnectionError):
    """No host can be reached and takes writes, or none could be a moment ago."""


class Hosts:
    """The hosts of a database URL. With several of them, only one that takes writes is connected to."""

    def __init__(self, url: str) -> None:
        self._urls = urls_of_hosts(url)
        self._last: str | None = None
        self._gate = ReconnectGate()
        attributes = parse_qs(urlsplit(self._urls[0]).query).get("target_session_attrs")
        self.only_writable = len(self._urls) > 1 or (attributes or ["any"])[-1] != "any"
        """Whether a host that takes no writes is left for another one."""

    async def connect(self, *, timeout: float, **options: Any) -> asyncpg.Connection:
        """Connect to the primary. Raises what asyncpg raises, or `NoPrimary`."""
        if 0 < (seconds := self._gate.seconds_closed()) <= SHORT_PAUSE:
            await asyncio.sleep(seconds)
        if failure := self._gate.last_failure():
            raise NoPrimary(str(failure) or type(failure).__name__) from failure
        try:
            conn = await self._connect(timeout, options)
        except HOST_ERRORS as error:
            self._gate.failed(error)
            raise
        self._gate.succeeded()
        return conn

    async def _connect(self, timeout: float, options: dict[str, Any]) -> asyncpg.Connection:
        if len(self._urls) == 1:
            return await self._connect_to(self._urls[0], timeout, options)
        if last := self._last:
            self._last = None
            try:
                return await self._connect_to(last, LAST_HOST_SECONDS, options)
            except (*HOST_ERRORS, asyncpg.PostgresError):
                pass  # another host may be the primary now
        return await self._first_of_all(timeout, options)

    async def _first_of_all(self, timeout: float, options: dict[str, Any]) -> asyncpg.Connection:
        attempts = {asyncio.ensure_future(self._connect_to(url, timeout, options)): url for url in self._urls}
        failures: dict[str, Exception] = {}
        pending = set(attempts)
        winner: asyncpg.Connection | None = None
        try:
            while pending and winner is None:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    try:
                        winner = _first_only(winner, task.result())
                    except (*HOST_ERRORS, asyncpg.PostgresError) as error:
                        failures[attempts[task]] = error  # a standby may not even have the database yet
        finally:
            await cancel_and_wait(pending)
            for task in pending:
                if not task.cancelled() and task.exception() is None:
                    task.result().terminate()
        if winner is None:
            if own := [failure for failure in failures.values() if not isinstance(failure, HOST_ERRORS)]:
                raise own[0]  # such as a wrong password
            reasons = (f"{host_of(url)}: {str(error) or type(error).__name__}" for url, error in failures.items())
            raise NoPrimary("no host takes writes: " + "; ".join(reasons))
        return winner

    async def _connect_to(self, url: str, timeout: float, options: dict[str, Any]) -> asyncpg.Connection:
        if self.only_writable:
            options = {**options, "target_session_attrs": "read-write"}
        conn: asyncpg.Connection = await asyncpg.connect(url, timeout=timeout, **options)
        if len(self._urls) > 1:
            self._last = url
        return conn


def takes_writes(conn: asyncpg.Connection) -> bool:
    """Whether the server has not reported that it became a standby or read-only. Asks nobody: it tells by itself."""
    settings = conn.get_settings()
    reported = (getattr(settings, name, "off") for name in ("in_hot_standby", "default_transaction_read_only"))
    return "on" not in reported


def _first_only(winner: asyncpg.Connection | None, conn: asyncpg.Connection) -> asyncpg.Connection:
    if winner is None:
        return conn
    conn.terminate()
    return winner
