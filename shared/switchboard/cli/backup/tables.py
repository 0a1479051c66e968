"""The tables of a database, copied out in one snapshot and copied in by PostgreSQL's COPY.

Unlike pg_dump it needs no program of the server's version, and the schema comes from the migrations.
"""

import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO, cast

import asyncpg

from switchboard.cli.backup.manifest import BackedUpDatabase, BackedUpTable, UnusableBackup
from switchboard.postgres.migrations import migrate, newest_revision, scripts_of

VERSIONS = "alembic_version"
TABLES = """
select c.oid, c.relname as name,
       array(select a.attname::text from pg_attribute a
             where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
             order by a.attnum) as columns,
       array(select distinct k.confrelid from pg_constraint k
             where k.conrelid = c.oid and k.contype = 'f' and k.confrelid <> c.oid) as refers_to
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'public' and c.relkind = 'r' and c.relname <> $1 order by c.relname
"""
OTHER_SESSIONS = """
select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
and application_name = any($1::text[])
"""
WITHOUT_LIMITS = {"statement_timeout": "0", "lock_timeout": "10000", "application_name": "switchboard backup"}


@asynccontextmanager
async def open_connection(url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection without a limit on the time of a statement."""
    conn = await asyncpg.connect(url, timeout=10, command_timeout=None, server_settings=WITHOUT_LIMITS)
    try:
        yield conn
    finally:
        await conn.close()


@asynccontextmanager
async def snapshot(conn: asyncpg.Connection) -> AsyncIterator[None]:
    """Everything inside the block sees the database as it is at the beginning of it."""
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        await conn.fetchval(f"select version_num from {VERSIONS}")  # the first query takes the snapshot
        yield


async def copy_out(conn: asyncpg.Connection, directory: Path) -> BackedUpDatabase:
    """Write each table to `<table>.gz`, in the snapshot of the connection."""
    directory.mkdir(parents=True)
    revision = await conn.fetchval(f"select version_num from {VERSIONS}")
    tables = [await _copy_table_out(conn, name, columns, directory) for name, columns in await _tables(conn)]
    return BackedUpDatabase(revision=revision, tables=tables)


async def _copy_table_out(conn: asyncpg.Connection, name: str, columns: list[str], directory: Path) -> BackedUpTable:
    with gzip.open(directory / f"{name}.gz", "wb", compresslevel=1) as file:

        async def write(data: bytes) -> None:
            file.write(data)

        done = await conn.copy_from_table(name, columns=columns, output=write)
    sequences: dict[str, int] = {}
    for column in columns:
        sequence = await conn.fetchval("select pg_get_serial_sequence($1, $2)", f'public."{name}"', column)
        if sequence is not None:
            sequences[column] = await conn.fetchval(f"select last_value from {sequence}")
    return BackedUpTable(name=name, columns=columns, rows=int(done.rpartition(" ")[2]), sequences=sequences)


async def copy_in(service: str, url: str, backup: BackedUpDatabase, directory: Path) -> None:
    """Replace the database by that of the backup, and migrate it to this version. Raises `UnusableBackup`."""
    scripts = scripts_of(service.replace("-", "_"))
    if backup.revision > newest_revision(scripts):
        raise UnusableBackup(
            f"{service} is at migration {backup.revision}, which is newer than this version: restore by a newer one"
        )
    async with open_connection(url) as conn:
        await conn.execute("drop schema public cascade")
        await conn.execute("create schema public")
    await migrate(scripts, url, to=backup.revision)
    async with open_connection(url) as conn, conn.transaction():
        for table in backup.tables:
            await _copy_table_in(conn, table, directory)
    async with open_connection(url) as conn:
        await conn.execute("analyze")
    await migrate(scripts, url)


async def _copy_table_in(conn: asyncpg.Connection, table: BackedUpTable, directory: Path) -> None:
    await conn.execute(f'alter table "{table.name}" disable trigger user')
    await conn.execute(f'delete from "{table.name}"')  # what a migration has put in
    with gzip.open(directory / f"{table.name}.gz", "rb") as file:
        done = await conn.copy_to_table(table.name, columns=table.columns, source=cast("BinaryIO", file))
    await conn.execute(f'alter table "{table.name}" enable trigger user')
    if int(done.rpartition(" ")[2]) != table.rows:
        raise UnusableBackup(f"{table.name} has {done} rows, the manifest says {table.rows}")
    for column, value in table.sequences.items():
        await conn.execute(f"select setval(pg_get_serial_sequence('\"{table.name}\"', $1), $2)", column, value)


async def count_sessions(conn: asyncpg.Connection, service: str) -> int:
    """How many connections of the service's processes the database has."""
    found: int = await conn.fetchval(OTHER_SESSIONS, [service, f"{service} listener"])
    return found


async def has_rows(conn: asyncpg.Connection) -> bool:
    """Whether any table but those of messaging has a row."""
    ours = {"inbox", "outbox", "leases", "idempotency_keys"}
    for name, _ in await _tables(conn):
        if name not in ours and await conn.fetchval(f'select exists (select from "{name}")'):
            return True
    return False


async def _tables(conn: asyncpg.Connection) -> list[tuple[str, list[str]]]:
    """The tables with the columns to copy, each after those that it refers to."""
    left = {row["oid"]: row for row in await conn.fetch(TABLES, VERSIONS)}
    ordered: list[tuple[str, list[str]]] = []
    while left:
        free = [oid for oid, row in left.items() if not set(row["refers_to"]) & left.keys()]
        if not free:
            raise UnusableBackup("tables refer to each other: " + ", ".join(row["name"] for row in left.values()))
        for oid in free:
            row = left.pop(oid)
            ordered.append((row["name"], list(row["columns"])))
    return ordered
