"""What every command needs: the database, and one loop to run in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from pydantic_settings import BaseSettings, SettingsConfigDict

from conversations.settings import Region
from switchboard.runtime.database import Database, open_database
from switchboard.runtime.settings import PostgresUrl, load

T = TypeVar("T")


class CommandSettings(BaseSettings):
    """Of the service's settings, what a command needs."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True)

    database_url: PostgresUrl
    default_region: Region = "US"


def with_database(work: Callable[[Database], Awaitable[T]]) -> T:
    """Run it to its end."""
    settings = load(CommandSettings)

    async def run() -> T:
        async with open_database(settings.database_url, application="conversations", size=6) as database:
            return await work(database)

    return asyncio.run(run())
