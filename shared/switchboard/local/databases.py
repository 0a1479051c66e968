"""A database for each service, owned by a role of its own that reaches no other."""

from collections.abc import Mapping
from urllib.parse import quote, urlsplit

import asyncpg

from switchboard.local.services import ServiceSpec


def url_for(server_url: str, service: ServiceSpec, password: str) -> str:
    """Where the service finds its own database."""
    parts = urlsplit(server_url)
    where = parts.netloc.rpartition("@")[2]
    user = f"{service.database_name}:{quote(password, safe='')}"
    return parts._replace(netloc=f"{user}@{where}", path=f"/{service.database_name}").geturl()


async def create_databases(server_url: str, passwords: Mapping[ServiceSpec, str]) -> None:
    """Makes what is missing and sets the passwords; does no harm when all is there."""
    conn = await asyncpg.connect(server_url, timeout=10)
    try:
        for service, password in passwords.items():
            await _create(conn, service.database_name, password)
    finally:
        await conn.close()


async def _create(conn: asyncpg.Connection, name: str, password: str) -> None:
    """Names are ours and passwords hexadecimal: nothing to quote, and DDL takes no parameters."""
    verb = "alter" if await conn.fetchval("select 1 from pg_roles where rolname = $1", name) else "create"
    await conn.execute(f"{verb} role {name} login password '{password}'")
    if not await conn.fetchval("select 1 from pg_database where datname = $1", name):
        await conn.execute(f"grant {name} to current_user")  # who isn't a superuser may give only to its own
        await conn.execute(f"create database {name} owner {name}")
        await conn.execute(f"revoke connect, temporary on database {name} from public")
