"""What every command needs: the database, and one loop to run in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import typer
from pydantic_settings import BaseSettings, SettingsConfigDict

from switchboard.postgres.database import Database, open_database
from switchboard.runtime.phones import Region
from switchboard.runtime.settings import PostgresUrl, load
from switchboard.runtime.unavailable import Unavailable

T = TypeVar("T")


class CommandSettings(BaseSettings):
    """Of the service's settings, what a command needs."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True)

    database_url: PostgresUrl
    default_region: Region = "US"


def with_database(work: Callable[[Database], Awaitable[T]]) -> T:
    """Run it to its end. A database that goes away ends the command with one line."""
    settings = load(CommandSettings)

    async def run() -> T:
        async with open_database(settings.database_url, application="conversations", size=6) as database:
            return await work(database)

    try:
        return asyncio.run(run())
    except (Unavailable, ExceptionGroup) as trouble:
        if not isinstance(_first(trouble), Unavailable):
            raise
        typer.echo(f"{_first(trouble)}; run it again when it is back, it goes on where it was", err=True)
        raise typer.Exit(1) from None


def _first(trouble: Exception) -> Exception:
    while isinstance(trouble, ExceptionGroup):
        trouble = trouble.exceptions[0]
    return trouble
