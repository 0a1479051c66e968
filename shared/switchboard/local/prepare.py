"""Prepare servers for the services: create and migrate the databases, and create the bucket."""

import asyncio

from switchboard.local.bucket import create_bucket
from switchboard.local.databases import create_databases
from switchboard.local.environment import Environment
from switchboard.local.services import SERVICES
from switchboard.postgres.migrations import migrate, scripts_of


def prepare(environment: Environment) -> None:
    """Create the missing databases and the bucket, and run all migrations. Idempotent."""
    asyncio.run(_prepare_databases(environment))
    create_bucket(environment.servers.store_settings)


async def _prepare_databases(environment: Environment) -> None:
    passwords = {s: environment.secrets.password(s.database_name) for s in SERVICES if s.database}
    await create_databases(environment.servers.database_url, passwords)
    for service in passwords:
        await migrate(scripts_of(service.package), environment.database_url(service))
