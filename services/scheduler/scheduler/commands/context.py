"""What every command needs: the database, and one loop to run in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from pydantic_settings import BaseSettings, SettingsConfigDict

from switchboard.postgres.database import Database, open_database
from switchboard.runtime.settings import PostgresUrl, load

T = TypeVar("T")


class CommandSettings(BaseSettings):
    """All that a command needs."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True)

    database_url: PostgresUrl


def with_database(action: Callable[[Database], Awaitable[T]]) -> T:
    """Run it to its end."""

    async def run() -> T:
        url = load(CommandSettings).database_url
        async with open_database(url, application="scheduler", size=1) as database:
            return await action(database)

    return asyncio.run(run())
