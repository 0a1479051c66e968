"""Notifications between processes, over a real database."""

import asyncio

import asyncpg
import pytest

from switchboard.postgres.database import open_database
from switchboard.testing import until


@pytest.mark.parametrize("error", [ZeroDivisionError, asyncio.CancelledError, asyncpg.InternalClientError])
async def test_listening_resumes_after_any_error(empty_database_url: str, error: type[BaseException]) -> None:
    begun: list[str] = []
    heard: list[str] = []

    def break_at_first() -> None:
        begun.append("listening")
        if len(begun) == 1:
            raise error

    async with (
        open_database(empty_database_url, application="other") as other,
        open_database(empty_database_url, application="own") as own,
    ):
        own.on_notify("first", break_at_first)  # called as soon as its channel is listened to
        await until(lambda: begun)

        def notify_until_heard() -> bool:
            other.notify("second")
            return len(heard) > 1  # once for the start of listening, once for a notification

        own.on_notify("second", lambda: heard.append("second"))
        await until(notify_until_heard, within=10)
