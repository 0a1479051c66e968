"""Whatever asyncpg raises when the server is lost or refuses work is one of our own errors."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from switchboard.postgres.connection import DatabaseContended, DatabaseUnavailable
from switchboard.postgres.database import Database

Call = Callable[[asyncpg.Connection, str], Awaitable[Any]]

OF_THE_SERVER = ("08", "53", "57", "58")  # classes of SQLSTATE: connection, resources, operator, system
CONTENTION = {"57014"}  # a cancelled statement


def errors(*classes: str) -> list[type[Exception]]:
    """Return asyncpg's errors of these classes of SQLSTATE."""
    found = [error for error in vars(asyncpg.exceptions).values() if isinstance(error, type)]
    return [error for error in found if str(getattr(error, "sqlstate", None) or "")[:2] in classes]


UNAVAILABLE = [
    *(error for error in errors(*OF_THE_SERVER) if error.sqlstate not in CONTENTION),  # type: ignore[attr-defined]
    *(
        e
        for e in vars(asyncpg.exceptions).values()
        if isinstance(e, type) and issubclass(e, asyncpg.InternalClientError)
    ),
    asyncpg.ReadOnlySQLTransactionError,
]
METHODS: dict[str, Call] = {
    "execute": lambda conn, sql: conn.execute(sql),
    "executemany": lambda conn, sql: conn.executemany(sql, [()]),
    "fetch": lambda conn, sql: conn.fetch(sql),
    "fetchrow": lambda conn, sql: conn.fetchrow(sql),
    "fetchval": lambda conn, sql: conn.fetchval(sql),
}


@pytest.mark.parametrize("error", UNAVAILABLE, ids=lambda error: error.__name__)
async def test_an_error_of_the_server_means_unavailable(database: Database, error: type[Exception]) -> None:
    with pytest.raises(DatabaseUnavailable, match=error.__name__):
        async with database.connection():
            raise error("planted")


@pytest.mark.parametrize("error", errors("40", "57"), ids=lambda error: error.__name__)
async def test_contention_is_told_apart(database: Database, error: Any) -> None:
    expected = DatabaseContended if error.sqlstate[:2] == "40" or error.sqlstate in CONTENTION else DatabaseUnavailable

    with pytest.raises(expected):
        async with database.connection():
            raise error("planted")


async def test_a_bug_stays_what_it_is(database: Database) -> None:
    with pytest.raises(asyncpg.UndefinedTableError):
        async with database.connection() as conn:
            await conn.execute("select from nowhere")
    with pytest.raises(asyncpg.InterfaceError, match="expects 1 argument"):
        async with database.connection() as conn:
            await conn.execute("select $1::int", 1, 2)
    with pytest.raises(TimeoutError):
        async with database.connection():
            raise TimeoutError  # the handler's own


@pytest.mark.parametrize("method", METHODS)
async def test_a_backend_that_ends_during_a_statement(database: Database, method: str) -> None:
    async def use_it() -> None:
        async with database.connection() as conn:
            running = asyncio.ensure_future(METHODS[method](conn, "select pg_sleep(30)"))
            await _end(database, conn.get_server_pid())
            await running

    with pytest.raises(DatabaseUnavailable):
        await use_it()


@pytest.mark.parametrize("method", METHODS)
async def test_a_backend_that_ended_before_the_statement(database: Database, method: str) -> None:
    async def use_it() -> None:
        async with database.connection() as conn:
            await _end(database, conn.get_server_pid())
            await METHODS[method](conn, "select 1")

    with pytest.raises(DatabaseUnavailable):
        await use_it()


async def test_any_error_on_a_lost_connection_means_unavailable(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """uvloop raises a RuntimeError when asyncpg writes to a transport that has just been closed."""

    async def fetch(conn: asyncpg.Connection, _sql: str) -> None:
        conn.terminate()
        raise RuntimeError("the handler is closed")

    async def use_it() -> None:
        async with database.connection() as conn:
            await conn.fetch("select 1")

    monkeypatch.setattr(asyncpg.Connection, "fetch", fetch)
    with pytest.raises(DatabaseUnavailable, match="the handler is closed"):
        await use_it()


async def _end(database: Database, pid: int) -> None:
    async with database.connection() as conn:
        await conn.execute("select pg_terminate_backend($1, 2000)", pid)
