"""Create a database for each service, with a role that can connect to no other database."""

from collections.abc import Mapping
from urllib.parse import quote, urlsplit

import asyncpg

from switchboard.local.services import ServiceSpec
from switchboard.postgres.hosts import Hosts


def url_for(server_url: str, service: ServiceSpec, password: str) -> str:
    """Return the URL of the service's database, with its role and password."""
    parts = urlsplit(server_url)
    address = parts.netloc.rpartition("@")[2]
    user = f"{service.database_name}:{quote(password, safe='')}"
    return parts._replace(netloc=f"{user}@{address}", path=f"/{service.database_name}").geturl()


async def create_databases(server_url: str, passwords: Mapping[ServiceSpec, str]) -> None:
    """Create the missing roles and databases, and set the passwords. Idempotent."""
    conn = await Hosts(server_url).connect(timeout=10)
    try:
        has_standbys = await conn.fetchval("select current_setting('synchronous_standby_names') <> ''")
        for service, password in passwords.items():
            await _create(conn, service.database_name, password)
            if has_standbys:  # which REQUIRE_SYNCHRONOUS_STANDBY looks for
                await conn.execute(f"grant pg_read_all_stats to {service.database_name}")
    finally:
        await conn.close()


async def _create(conn: asyncpg.Connection, name: str, password: str) -> None:
    """Create one role and database. DDL takes no parameters; names are constants and passwords hexadecimal."""
    verb = "alter" if await conn.fetchval("select 1 from pg_roles where rolname = $1", name) else "create"
    await conn.execute(f"{verb} role {name} login password '{password}'")
    if not await conn.fetchval("select 1 from pg_database where datname = $1", name):
        await conn.execute(f"grant {name} to current_user")  # required unless the admin is a superuser
        await conn.execute(f"create database {name} owner {name}")
        await conn.execute(f"revoke connect, temporary on database {name} from public")
