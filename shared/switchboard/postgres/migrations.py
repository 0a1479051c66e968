"""Schema migrations: each service's `migrations/versions/NNNN_name.py`, run by alembic, one runner at a time.

A script's `revision` is the number that its file's name begins with, `down_revision` the one before. Each runs in a
transaction of its own; `op.execute` takes one statement at a time. Expand first and contract a release later:
instances of the old code run beside the new schema.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from time import monotonic

import asyncpg

from switchboard.runtime.unavailable import Unavailable

PATIENCE_SECONDS = 60.0  # for a server that is starting, and for another runner
PAUSE_SECONDS = 0.25
ADVISORY_LOCK = 7_236_102_884  # any number, the same in all versions
LOCK_TRIES = 10
# A migration that waits for a table's lock makes everybody wait behind it: rather give up, and try again.
SESSION_SETTINGS = {"lock_timeout": "2000", "application_name": "switchboard migrate", "timezone": "UTC"}

UNAVAILABLE = (OSError, TimeoutError, asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError)


class NoScripts(Exception):
    """A service's migration scripts are not where they should be; the text says where was looked."""


class DatabaseUnreachable(Unavailable):
    """The database to migrate can't be reached."""


def scripts_of(package: str, *, home: Path | None = None) -> Path:
    """The `migrations` folder of a service, by its import package: beside it in a checkout, inside of it or under
    `{home}/services/` where it is installed (`home`: `SWITCHBOARD_HOME`, or the working directory)."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise NoScripts(f"the package {package} is not installed")
    source = Path(next(iter(spec.submodule_search_locations)))
    home = home or Path(os.environ.get("SWITCHBOARD_HOME", "."))
    folder = home / "services" / package.replace("_", "-")
    looked = [source.parent / "migrations", source / "migrations", folder / "migrations"]
    for candidate in looked:
        if (candidate / "versions").is_dir():
            return candidate
    raise NoScripts(f"no migrations of {package} in " + ", ".join(map(str, looked)))


def migrate_all(databases: Mapping[str, str]) -> dict[str, list[str]]:
    """Bring every database up to date: {import package: database URL} in, {package: revisions run} out.

    For commands. Raises `NoScripts`, `DatabaseUnreachable`, or what a script raised.
    """

    async def one_after_another() -> dict[str, list[str]]:  # alembic's `op` is one for the whole process
        return {package: await migrate(scripts_of(package), url) for package, url in databases.items()}

    return asyncio.run(one_after_another())


async def migrate(scripts: Path, database_url: str) -> list[str]:
    """Bring one database up to date with the scripts in `{scripts}/versions`. Returns the revisions that it ran."""
    numbers = _numbers(scripts)
    async with _alone(database_url) as conn:
        present = await _present(conn)
        if numbers and present == numbers[-1]:
            return []  # without the second that alembic takes to load
        from switchboard.postgres.alembic import upgrade

        for attempt in range(1, LOCK_TRIES + 1):
            try:
                await upgrade(scripts, database_url, SESSION_SETTINGS)
                break
            except asyncpg.LockNotAvailableError:
                if attempt == LOCK_TRIES:
                    raise
                await asyncio.sleep(PAUSE_SECONDS * attempt)
    return [number for number in numbers if present is None or number > present]


def _numbers(scripts: Path) -> list[str]:
    names = (path.name for path in (scripts / "versions").glob("*.py") if path.name != "__init__.py")
    numbers = sorted(match[1] for name in names if (match := re.match(r"(\d{4})_", name)))
    if len(set(numbers)) < len(numbers):
        raise NoScripts(f"two migrations in {scripts} have the same number")
    return numbers


async def _present(conn: asyncpg.Connection) -> str | None:
    if await conn.fetchval("select to_regclass('alembic_version')") is None:
        return None
    revision: str | None = await conn.fetchval("select version_num from alembic_version")
    return revision


@asynccontextmanager
async def _alone(url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection that holds the lock all runners of this database take."""
    conn = await _connect(url)
    try:
        deadline = monotonic() + PATIENCE_SECONDS
        while not await conn.fetchval("select pg_try_advisory_lock($1)", ADVISORY_LOCK):
            if monotonic() > deadline:
                raise DatabaseUnreachable("somebody else has been migrating this database for a minute")
            await asyncio.sleep(PAUSE_SECONDS)
        yield conn
    finally:
        await conn.close()


async def _connect(url: str) -> asyncpg.Connection:
    deadline = monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return await asyncpg.connect(url, timeout=5, command_timeout=30, server_settings=SESSION_SETTINGS)
        except UNAVAILABLE as trouble:
            if monotonic() > deadline:
                raise DatabaseUnreachable(f"the database is away: {str(trouble) or type(trouble).__name__}") from None
        await asyncio.sleep(PAUSE_SECONDS)
