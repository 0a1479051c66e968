from collections.abc import AsyncIterator

import pytest

from switchboard.messaging.schema import MESSAGING_TABLES
from switchboard.postgres.database import Database, open_database


@pytest.fixture
async def database(empty_database_url: str) -> AsyncIterator[Database]:
    """A database with the tables of messaging, `leases` among them."""
    async with open_database(empty_database_url, application="demo") as database:
        async with database.connection() as conn:
            for statement in MESSAGING_TABLES:
                await conn.execute(statement)
        yield database
