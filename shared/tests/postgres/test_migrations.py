"""Migrations on real databases."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from switchboard.postgres.migrations import NewerDatabase, NoScripts, migrate, scripts_of

SCRIPT = """
from alembic import op

revision = "{revision}"
down_revision = {down}


def upgrade() -> None:
    for statement in "{sql}".split(";"):  # asyncpg takes one at a time
        op.execute(statement)
"""


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    add(tmp_path, "0001", None, "create table a (id int)")
    add(tmp_path, "0002", "0001", "create table b (id int)")
    return tmp_path


def add(scripts: Path, revision: str, down: str | None, sql: str, *, name: str | None = None) -> None:
    versions = scripts / "versions"
    versions.mkdir(exist_ok=True)
    file = versions / f"{name or revision}_change.py"
    file.write_text(SCRIPT.format(revision=revision, down=repr(down), sql=sql))


async def tables(url: str) -> set[str]:
    conn = await asyncpg.connect(url)
    try:
        return {row[0] for row in await conn.fetch("select tablename from pg_tables where schemaname = 'public'")}
    finally:
        await conn.close()


async def test_missing_migrations_run_once(scripts: Path, empty_database_url: str) -> None:
    assert await migrate(scripts, empty_database_url) == ["0001", "0002"]
    assert await migrate(scripts, empty_database_url) == []

    add(scripts, "0003", "0002", "create table c (id int)")

    assert await migrate(scripts, empty_database_url) == ["0003"]
    assert await tables(empty_database_url) == {"alembic_version", "a", "b", "c"}


async def test_a_database_of_a_newer_version_is_refused(scripts: Path, empty_database_url: str) -> None:
    await migrate(scripts, empty_database_url)
    (scripts / "versions" / "0002_change.py").unlink()

    with pytest.raises(NewerDatabase, match="at migration 0002, this version knows them up to 0001"):
        await migrate(scripts, empty_database_url)

    assert await tables(empty_database_url) == {"alembic_version", "a", "b"}


async def test_concurrent_runners_run_each_migration_once(scripts: Path, empty_database_url: str) -> None:
    first, second = await asyncio.gather(migrate(scripts, empty_database_url), migrate(scripts, empty_database_url))

    assert sorted([first, second]) == [[], ["0001", "0002"]]


async def test_a_failing_script_rolls_back_and_keeps_the_ones_before(scripts: Path, empty_database_url: str) -> None:
    add(scripts, "0003", "0002", "create table c (id int); select 1/0")

    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(scripts, empty_database_url)

    assert await tables(empty_database_url) == {"alembic_version", "a", "b"}


async def test_a_script_that_waits_for_a_lock_does_not_block_readers_long(
    scripts: Path, empty_database_url: str
) -> None:
    await migrate(scripts, empty_database_url)
    add(scripts, "0003", "0002", "alter table a add column name text")
    reader = await asyncpg.connect(empty_database_url)
    transaction = reader.transaction()
    await transaction.start()
    await reader.execute("select * from a")
    migrating = asyncio.create_task(migrate(scripts, empty_database_url))

    another = await asyncpg.connect(empty_database_url)
    async with asyncio.timeout(10):
        while not await another.fetchval("select count(*) from pg_locks where not granted"):
            await asyncio.sleep(0.01)
        await another.execute("select * from a")
    await transaction.rollback()

    assert await migrating == ["0003"]
    for conn in (reader, another):
        await conn.close()


async def test_a_file_name_without_its_revision_is_refused(tmp_path: Path, empty_database_url: str) -> None:
    add(tmp_path, "abc", None, "select 1", name="0001")

    with pytest.raises(ValueError, match="0001_change"):
        await migrate(tmp_path, empty_database_url)


async def test_two_scripts_with_one_number_are_refused(scripts: Path, empty_database_url: str) -> None:
    add(scripts, "0002", "0001", "select 1", name="0002_b")

    with pytest.raises(NoScripts, match="same number"):
        await migrate(scripts, empty_database_url)


def test_scripts_are_found_next_to_the_package_in_a_checkout() -> None:
    assert scripts_of("auth").parts[-3:] == ("services", "auth", "migrations")


def test_scripts_of_an_installed_package_are_found_under_the_home(tmp_path: Path) -> None:
    with pytest.raises(NoScripts, match="services/switchboard/migrations"):
        scripts_of("switchboard", home=tmp_path)

    (tmp_path / "services" / "switchboard" / "migrations" / "versions").mkdir(parents=True)

    assert scripts_of("switchboard", home=tmp_path) == tmp_path / "services" / "switchboard" / "migrations"
