"""A Postgres connection that distinguishes three kinds of failure: an unavailable server, contention, and a bug."""

from collections.abc import Coroutine
from dataclasses import dataclass
from time import monotonic
from typing import Any, TypeVar, cast

import asyncpg
import structlog

from switchboard.postgres.hosts import Hosts, takes_writes
from switchboard.runtime.failover import means_failover
from switchboard.runtime.unavailable import Contended, Unavailable

T = TypeVar("T")

ACQUIRE_SECONDS = 5.0
IDLE_IN_TRANSACTION_SECONDS = 2.0
LEAVE_SECONDS = 1.0

log = structlog.get_logger(__name__)

UNAVAILABLE_ERRORS: tuple[type[BaseException], ...] = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shutting down, starting, the session or the database ended
    asyncpg.InsufficientResourcesError,  # too many connections, no memory, a full disk
    asyncpg.PostgresSystemError,  # its disk fails
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InternalClientError,
)
CONTENTION_ERRORS: tuple[type[BaseException], ...] = (
    asyncpg.TransactionRollbackError,  # deadlocks and serialization failures
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)
NETWORK_ERRORS: tuple[type[BaseException], ...] = (OSError, TimeoutError, EOFError)
CONNECT_ERRORS: tuple[type[BaseException], ...] = (*NETWORK_ERRORS, asyncpg.InterfaceError)
"""Raised while a connection is acquired or released. In between, all but the last may be a handler's own errors."""


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
        except NETWORK_ERRORS as error:
            raise _unavailable(error) from error
        except (asyncpg.PostgresError, asyncpg.InterfaceError):
            raise
        except Exception as error:
            if not self.is_closed():
                raise
            raise _unavailable(error) from error  # such as uvloop's RuntimeError for a closed transport
        finally:
            self.activity.last_statement_at = monotonic()


class PrimaryConnections:
    """The connections of a pool, which are closed when their server is no longer the primary."""

    def __init__(self, pool: asyncpg.Pool, hosts: Hosts) -> None:
        self.pool = pool
        self._hosts = hosts
        self._left_at = float("-inf")

    def is_former(self, conn: asyncpg.Connection) -> bool:
        """Whether the server said, by the end of the last statement, that it takes no writes any more."""
        return self._hosts.only_writable and not conn.is_closed() and not takes_writes(conn)

    async def leave(self, conn: asyncpg.Connection) -> None:
        """Close this connection, and each other one before it is used again, at most once a second."""
        if not _is_lost(conn):
            conn.terminate()
        if monotonic() - self._left_at > LEAVE_SECONDS:
            self._left_at = monotonic()
            log.warning("primary_left")
            await self.pool.expire_connections()


class PooledConnection:
    """A connection of the pool inside an `async with` block, whose errors are translated.

    A class and not a generator: every statement passes here.
    """

    __slots__ = ("_activity", "_conn", "_pool", "_primary")

    def __init__(self, primary: PrimaryConnections) -> None:
        self._primary = primary
        self._pool = primary.pool

    async def __aenter__(self) -> asyncpg.Connection:
        try:
            self._conn = conn = cast(
                "Any", await self._pool.acquire(timeout=ACQUIRE_SECONDS)
            )  # a proxy with all methods
        except Exception as error:
            if ours := translated(error, *CONNECT_ERRORS):
                raise ours from error
            raise
        self._activity: Activity = conn.activity  # the proxy of a lost connection has it no more
        self._activity.last_statement_at = monotonic()
        return cast("asyncpg.Connection", self._conn)

    async def __aexit__(self, _type: object, raised: BaseException | None, _traceback: object) -> None:
        ours = None if raised is None else translated(raised) or self._translated_loss(raised)
        try:
            if (raised is not None and means_failover(raised)) or self._is_former():
                await self._primary.leave(self._conn)
            await self._pool.release(self._conn)
        except Exception as error:
            if ours := translated(error, *CONNECT_ERRORS):
                raise ours from error
            raise
        if ours is not None:
            raise ours from raised

    def _is_former(self) -> bool:
        try:
            return self._primary.is_former(self._conn)
        except asyncpg.InterfaceError:  # a lost connection
            return False

    def _translated_loss(self, error: BaseException) -> "DatabaseUnavailable | DatabaseContended | None":
        """Return our own error for the use of a lost connection; None for a bug, such as a missing argument."""
        if not (isinstance(error, asyncpg.InterfaceError) and _is_lost(self._conn)):
            return None
        if monotonic() - self._activity.last_statement_at >= IDLE_IN_TRANSACTION_SECONDS:
            # The likely reason: the server's own message arrived while no statement was waiting for it.
            return _contended("it was idle in its transaction for too long")
        return _unavailable(error)


def translated(error: BaseException, *more: type[BaseException]) -> DatabaseUnavailable | DatabaseContended | None:
    """Return our own error for one of the server, or of the types `more`; None for any other."""
    if isinstance(error, CONTENTION_ERRORS):
        return _contended(f"{type(error).__name__}: {error}")
    return _unavailable(error) if isinstance(error, (*UNAVAILABLE_ERRORS, *more)) else None


def _is_lost(conn: Any) -> bool:
    try:
        return bool(conn.is_closed())
    except asyncpg.InterfaceError:  # the pool raises it for a lost connection
        return True


def _unavailable(error: BaseException) -> DatabaseUnavailable:
    return DatabaseUnavailable(f"the database is unavailable: {type(error).__name__}: {error}")


def _contended(reason: str) -> DatabaseContended:
    return DatabaseContended(f"the database ended the transaction: {reason}")
