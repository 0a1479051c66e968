"""Statements of Postgres, and what their failing means: the server is away, this work is in another's way, or a bug."""

from __future__ import annotations

from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any, TypeVar

import asyncpg

from switchboard.runtime.unavailable import Contended, Unavailable

T = TypeVar("T")

IDLE_IN_TRANSACTION_SECONDS = 2.0

UNAVAILABLE: tuple[type[BaseException], ...] = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InternalClientError,
)
CONTENDED: tuple[type[BaseException], ...] = (
    asyncpg.TransactionRollbackError,  # deadlocks and serialization failures
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)
UNREACHABLE: tuple[type[BaseException], ...] = (OSError, TimeoutError, asyncpg.InterfaceError)
"""While a connection is taken or given back. In between, the first two may be a handler's own."""


class DatabaseUnavailable(Unavailable):
    """Postgres can't be reached, has no connection to spare, or broke off in the middle."""


class DatabaseContended(Contended):
    """Postgres ended this statement or transaction: for another's lock, a deadlock, or the time that it took."""


@dataclass
class Pulse:
    """When a connection's last statement ended, on the monotonic clock: known even after it is lost."""

    answered: float = 0.0


class Connection(asyncpg.Connection):
    """asyncpg's, whose statements raise `DatabaseUnavailable` where they don't reach the server.

    Here and not around a whole transaction, since only here it is known that a time-out is the database's. What the
    server answered stays asyncpg's own, for who expects it.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.pulse = Pulse()

    async def execute(self, *args: Any, **options: Any) -> str:
        return await self._told(super().execute(*args, **options))

    async def executemany(self, *args: Any, **options: Any) -> None:
        await self._told(super().executemany(*args, **options))

    async def fetch(self, *args: Any, **options: Any) -> list[Any]:
        return await self._told(super().fetch(*args, **options))

    async def fetchval(self, *args: Any, **options: Any) -> Any:
        return await self._told(super().fetchval(*args, **options))

    async def fetchrow(self, *args: Any, **options: Any) -> Any:
        return await self._told(super().fetchrow(*args, **options))

    async def _told(self, statement: Coroutine[Any, Any, T]) -> T:
        try:
            return await statement
        except (OSError, TimeoutError) as trouble:
            raise away(trouble) from trouble
        finally:
            self.pulse.answered = monotonic()


@contextmanager
def translated(*more: type[BaseException]) -> Iterator[None]:
    """What the server said, and errors of kind `more`, become `DatabaseUnavailable` or `DatabaseContended`."""
    try:
        yield
    except CONTENDED as trouble:
        raise contended(f"{type(trouble).__name__}: {trouble}") from trouble
    except (*UNAVAILABLE, *more) as trouble:
        raise away(trouble) from trouble


@contextmanager
def watched(conn: Any) -> Iterator[None]:
    """Translate errors of a pooled connection: its use after a loss raises `DatabaseUnavailable`."""
    pulse: Pulse = conn.pulse
    pulse.answered = monotonic()
    try:
        yield
    except asyncpg.InterfaceError as error:
        if not _is_lost(conn):
            raise  # a bug: the wrong number of arguments, say
        if monotonic() - pulse.answered >= IDLE_IN_TRANSACTION_SECONDS:
            # Most likely; nobody was listening as the server said why it closes.
            raise contended("it was idle in its transaction for too long") from error
        raise away(error) from error


def _is_lost(conn: Any) -> bool:
    try:
        return bool(conn.is_closed())
    except asyncpg.InterfaceError:  # the pool's word for it
        return True


def away(trouble: BaseException) -> DatabaseUnavailable:
    return DatabaseUnavailable(f"the database is away: {type(trouble).__name__}: {trouble}")


def contended(reason: str) -> DatabaseContended:
    return DatabaseContended(f"the database ended it: {reason}")
