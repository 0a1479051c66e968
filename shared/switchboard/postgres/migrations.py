"""Schema migrations: each service's `migrations/versions/NNNN_name.py`, run by alembic under an advisory lock.

The `revision` of a script is the number in its file name, its `down_revision` the one before. Each script runs in its
own transaction; `op.execute` takes one statement at a time. Expand first and contract a release later: instances of
the old code run on the new schema.
"""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from time import monotonic

import asyncpg

from switchboard.postgres.hosts import Hosts
from switchboard.runtime.unavailable import Unavailable

WAIT_SECONDS = 60.0  # for a server that is starting, and for another runner
PAUSE_SECONDS = 0.25
ADVISORY_LOCK = 7_236_102_884  # any number, the same in all versions
LOCK_TRIES = 10
# A migration that waits for a table's lock makes every later query wait too: give up early, and try again.
SESSION_SETTINGS = {"lock_timeout": "2000", "application_name": "switchboard migrate", "timezone": "UTC"}

CONNECT_ERRORS = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.TargetServerAttributeNotMatched,
)


class NoScripts(Exception):
    """No migration scripts of a service were found. The text lists the folders that were searched."""


class NewerDatabase(Exception):
    """The database was migrated by a newer version, whose scripts aren't here."""


class DatabaseUnreachable(Unavailable):
    """The database to migrate can't be reached."""


def scripts_of(package: str, *, home: Path | None = None) -> Path:
    """The `migrations` folder of a service, found by its import package.

    In a checkout it lies next to the package. Where the package is installed, inside of it or under
    `{home}/services/` (`home`: `SWITCHBOARD_HOME`, or the working directory).
    """
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise NoScripts(f"the package {package} is not installed")
    source = Path(next(iter(spec.submodule_search_locations)))
    home = home or Path(os.environ.get("SWITCHBOARD_HOME", "."))
    folder = home / "services" / package.replace("_", "-")
    candidates = [source.parent / "migrations", source / "migrations", folder / "migrations"]
    for candidate in candidates:
        if (candidate / "versions").is_dir():
            return candidate
    raise NoScripts(f"no migrations of {package} in " + ", ".join(map(str, candidates)))


def migrate_all(databases: Mapping[str, str]) -> dict[str, list[str]]:
    """Bring every database up to date: {import package: database URL} in, {package: revisions run} out.

    For commands. Raises `NoScripts`, `NewerDatabase`, `DatabaseUnreachable`, or what a script raised.
    """

    async def in_sequence() -> dict[str, list[str]]:  # alembic's `op` is global to the process
        return {package: await migrate(scripts_of(package), url) for package, url in databases.items()}

    return asyncio.run(in_sequence())


def newest_revision(scripts: Path) -> str:
    """The last revision in `{scripts}/versions`."""
    return _revisions(scripts)[-1]


async def migrate(scripts: Path, database_url: str, *, to: str | None = None) -> list[str]:
    """Bring one database up to date with the scripts in `{scripts}/versions`. Returns the revisions that it ran.

    `to`: the last revision to run, where that isn't the newest.
    """
    revisions = [revision for revision in _revisions(scripts) if to is None or revision <= to]
    async with _migration_lock(database_url) as conn:
        current = await _current_revision(conn)
        if revisions and current == revisions[-1]:
            return []  # saves the second that alembic takes to load
        if current is not None and current > (newest := revisions[-1] if revisions else "none"):
            raise NewerDatabase(f"the database is at migration {current}, this version knows them up to {newest}")
        from switchboard.postgres.alembic import upgrade

        for attempt in range(1, LOCK_TRIES + 1):
            try:
                await upgrade(scripts, database_url, SESSION_SETTINGS, to=to)
                break
            except asyncpg.LockNotAvailableError:
                if attempt == LOCK_TRIES:
                    raise
                await asyncio.sleep(PAUSE_SECONDS * attempt)
    return [revision for revision in revisions if current is None or revision > current]


def _revisions(scripts: Path) -> list[str]:
    names = (path.name for path in (scripts / "versions").glob("*.py") if path.name != "__init__.py")
    numbers = sorted(match[1] for name in names if (match := re.match(r"(\d{4})_", name)))
    if len(set(numbers)) < len(numbers):
        raise NoScripts(f"two migrations in {scripts} have the same number")
    return numbers


async def _current_revision(conn: asyncpg.Connection) -> str | None:
    if await conn.fetchval("select to_regclass('alembic_version')") is None:
        return None
    revision: str | None = await conn.fetchval("select version_num from alembic_version")
    return revision


@asynccontextmanager
async def _migration_lock(url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection that holds the advisory lock of this database's migrations."""
    conn = await _connect(url)
    try:
        deadline = monotonic() + WAIT_SECONDS
        while not await conn.fetchval("select pg_try_advisory_lock($1)", ADVISORY_LOCK):
            if monotonic() > deadline:
                raise DatabaseUnreachable("another process has been migrating this database for a minute")
            await asyncio.sleep(PAUSE_SECONDS)
        yield conn
    finally:
        await conn.close()


async def _connect(url: str) -> asyncpg.Connection:
    deadline = monotonic() + WAIT_SECONDS
    hosts = Hosts(url)
    while True:
        try:
            return await hosts.connect(timeout=5, command_timeout=30, server_settings=SESSION_SETTINGS)
        except CONNECT_ERRORS as error:
            if monotonic() > deadline:
                raise DatabaseUnreachable(
                    f"the database is unavailable: {str(error) or type(error).__name__}"
                ) from None
        await asyncio.sleep(PAUSE_SECONDS)
