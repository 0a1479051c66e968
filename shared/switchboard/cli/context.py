"""The context of an operator command: its settings, its database, and how it ends when a server is unavailable.

    context = CommandContext("scheduler")

    @app.command()
    def show(id: UUID) -> None:
        async def read(database: Database) -> Schedule | None: ...

        schedule = context.with_database(read) or fail("there is no such schedule")

Settings beyond `DATABASE_URL` are a subclass of `runtime.settings.CommandSettings`, read with `load`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

import typer
from pydantic import Field

from switchboard.postgres.database import Database, open_database
from switchboard.runtime.settings import CommandSettings, PostgresUrl, load
from switchboard.runtime.unavailable import Unavailable

T = TypeVar("T")


class _DatabaseUrl(CommandSettings):
    database_url: PostgresUrl = Field(repr=False)


@dataclass(frozen=True)
class CommandContext:
    """The context of the operator commands of one service."""

    service: str
    pool_size: int = 1
    """Connections that a command may use at once."""
    when_unavailable: str = ""
    """Advice that is added to the error text when a server is unavailable."""

    def with_database(self, work: Callable[[Database], Awaitable[T]]) -> T:
        """Run `work` on the service's database and return its result. Ends the command as `run` does."""

        async def run() -> T:
            async with self.open_database() as database:
                return await work(database)

        return self.run(run())

    def open_database(self) -> AbstractAsyncContextManager[Database]:
        """The database of `DATABASE_URL`. A missing or malformed one ends the command with a line that names it."""
        return open_database(load(_DatabaseUrl).database_url, application=self.service, size=self.pool_size)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` and return its result. An unavailable server ends the command with one line and exit code 1."""
        try:
            return asyncio.run(work)
        except (Unavailable, ExceptionGroup) as error:
            cause = _first(error)
            if not isinstance(cause, Unavailable):
                raise
            fail(f"{cause}; {self.when_unavailable}" if self.when_unavailable else str(cause))


def fail(reason: str) -> NoReturn:
    """End the command with `reason` on stderr and exit code 1."""
    typer.echo(reason, err=True)
    raise typer.Exit(1)


def _first(error: Exception) -> Exception:
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error
