"""Runs alembic without its command line and without an `env.py` in each service. Takes a second to import."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import asyncpg
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, RevisionStep
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from switchboard.postgres.hosts import Hosts


async def upgrade(scripts: Path, database_url: str, session: dict[str, str], *, to: str | None = None) -> None:
    """Run the missing migrations, up to `to` or all, each script in its own transaction."""

    async def connect() -> Any:
        return await Hosts(database_url).connect(timeout=5, server_settings=session)

    directory = ScriptDirectory(str(scripts), version_locations=[str(scripts / "versions")])
    _check_file_names(directory)
    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
    try:
        async with engine.connect() as conn:
            await conn.run_sync(_run, directory, to or "heads")
    except DBAPIError as error:
        raise _postgres_error(error) from error
    finally:
        await engine.dispose()


def _run(connection: Connection, directory: ScriptDirectory, to: str) -> None:
    def missing(revision: Any, _context: MigrationContext) -> Iterable[RevisionStep]:
        return directory._upgrade_revs(to, revision)

    with EnvironmentContext(Config(), directory) as environment:
        environment.configure(connection=connection, fn=missing, transaction_per_migration=True)
        with environment.begin_transaction():
            environment.run_migrations()


def _check_file_names(directory: ScriptDirectory) -> None:
    for script in directory.walk_revisions():
        if not Path(script.path).name.startswith(f"{script.revision}_"):
            raise ValueError(
                f"{script.path}: its revision is {script.revision!r}, and the file name must begin with it"
            )


def _postgres_error(error: DBAPIError) -> BaseException:
    """The asyncpg error that SQLAlchemy wrapped twice."""
    cause = error.orig.__cause__ if error.orig is not None else None
    return cause if isinstance(cause, asyncpg.PostgresError) else error
