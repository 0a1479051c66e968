from collections.abc import AsyncIterator

import pytest

from switchboard.messaging.schema import MESSAGING_TABLES
from switchboard.postgres.database import open_database

from .fixtures import Messaging


@pytest.fixture
async def messaging(empty_database_url: str, amqp_url: str) -> AsyncIterator[Messaging]:
    async with open_database(empty_database_url, application="conversations") as database:
        async with database.connection() as conn:
            for statement in MESSAGING_TABLES:
                await conn.execute(statement)
            await conn.execute("create table recorded (id bigserial, subject text, seq int)")
        yield Messaging(database, empty_database_url, amqp_url)
