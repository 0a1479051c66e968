"""A Postgres connection that distinguishes three kinds of failure: an unavailable server, contention, and a bug."""

from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any, TypeVar

import asyncpg

from switchboard.runtime.unavailable import Contended, Unavailable

T = TypeVar("T")

IDLE_IN_TRANSACTION_SECONDS = 2.0

UNAVAILABLE_ERRORS: tuple[type[BaseException], ...] = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InternalClientError,
)
CONTENTION_ERRORS: tuple[type[BaseException], ...] = (
    asyncpg.TransactionRollbackError,  # deadlocks and serialization failures
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)
CONNECT_ERRORS: tuple[type[BaseException], ...] = (OSError, TimeoutError, asyncpg.InterfaceError)
"""Raised while a connection is acquired or released. In between, the first two may be a handler's own errors."""


class DatabaseUnavailable(Unavailable):
    """Postgres can't be reached, has no free connection, or closed the connection."""


class DatabaseContended(Contended):
    """Postgres ended this statement or transaction because of a lock, a deadlock or a time limit."""


@dataclass
class Activity:
    """The end of a connection's last statement, on the monotonic clock. Known even after the connection is lost."""

    last_statement_at: float = 0.0


class Connection(asyncpg.Connection):
    """asyncpg's connection, except that a statement which can't reach the server raises `DatabaseUnavailable`.

    Errors are translated per statement, not per transaction: only here is it known that a time-out is the database's.
    Errors that the server reports stay asyncpg's own.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.activity = Activity()

    async def execute(self, *args: Any, **options: Any) -> str:
        return await self._run(super().execute(*args, **options))

    async def executemany(self, *args: Any, **options: Any) -> None:
        await self._run(super().executemany(*args, **options))

    async def fetch(self, *args: Any, **options: Any) -> list[Any]:
        return await self._run(super().fetch(*args, **options))

    async def fetchval(self, *args: Any, **options: Any) -> Any:
        return await self._run(super().fetchval(*args, **options))

    async def fetchrow(self, *args: Any, **options: Any) -> Any:
        return await self._run(super().fetchrow(*args, **options))

    async def _run(self, statement: Coroutine[Any, Any, T]) -> T:
        try:
            return await statement
        except (OSError, TimeoutError) as error:
            raise _unavailable(error) from error
        finally:
            self.activity.last_statement_at = monotonic()


@contextmanager
def translate_errors(*more: type[BaseException]) -> Iterator[None]:
    """Raise errors of the server, and of the types `more`, as `DatabaseUnavailable` or `DatabaseContended`."""
    try:
        yield
    except CONTENTION_ERRORS as error:
        raise _contended(f"{type(error).__name__}: {error}") from error
    except (*UNAVAILABLE_ERRORS, *more) as error:
        raise _unavailable(error) from error


@contextmanager
def detect_loss(conn: Any) -> Iterator[None]:
    """Raise the use of a lost connection of the pool as `DatabaseUnavailable` or `DatabaseContended`."""
    activity: Activity = conn.activity
    activity.last_statement_at = monotonic()
    try:
        yield
    except asyncpg.InterfaceError as error:
        if not _is_lost(conn):
            raise  # a bug, such as a wrong number of arguments
        if monotonic() - activity.last_statement_at >= IDLE_IN_TRANSACTION_SECONDS:
            # The likely reason: the server's own message arrived while no statement was waiting for it.
            raise _contended("it was idle in its transaction for too long") from error
        raise _unavailable(error) from error


def _is_lost(conn: Any) -> bool:
    try:
        return bool(conn.is_closed())
    except asyncpg.InterfaceError:  # the pool raises it for a lost connection
        return True


def _unavailable(error: BaseException) -> DatabaseUnavailable:
    return DatabaseUnavailable(f"the database is unavailable: {type(error).__name__}: {error}")


def _contended(reason: str) -> DatabaseContended:
    return DatabaseContended(f"the database ended the transaction: {reason}")
