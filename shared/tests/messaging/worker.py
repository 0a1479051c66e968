"""Runs an instance of the tests' service as a process that a test may kill: `worker NAME DATABASE_URL AMQP_URL`."""

import asyncio
import sys

from switchboard.postgres.database import open_database

from .fixtures import Messaging


async def main(name: str, database_url: str, amqp_url: str) -> None:
    async with (
        open_database(database_url, application="conversations") as database,
        Messaging(database, database_url, amqp_url).instance(name),
    ):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
