"""What servers need before services can run on them: databases with their tables, and the bucket."""

import asyncio

from switchboard.local.bucket import create_bucket
from switchboard.local.databases import create_databases
from switchboard.local.environment import Environment
from switchboard.local.services import SERVICES
from switchboard.postgres.migrations import migrate, scripts_of


def prepare(environment: Environment) -> None:
    """Makes and migrates what is missing; does no harm when all is there."""
    asyncio.run(_prepare_databases(environment))
    create_bucket(environment.servers.store_settings)


async def _prepare_databases(environment: Environment) -> None:
    passwords = {s: environment.secrets.word(s.database_name) for s in SERVICES if s.database}
    await create_databases(environment.servers.database_url, passwords)
    for service in passwords:
        await migrate(scripts_of(service.package), environment.database_url(service))
