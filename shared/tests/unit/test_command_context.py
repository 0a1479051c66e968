"""An operator command ends with one line when a server is unavailable."""

import asyncio

import pytest
import typer

from switchboard.cli.context import CommandContext
from switchboard.postgres.database import Database
from switchboard.runtime.unavailable import Unavailable

CONTEXT = CommandContext("test", when_unavailable="run it again")


async def unavailable() -> None:
    raise Unavailable("the database is unavailable")


async def unavailable_in_a_group() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(unavailable())


@pytest.mark.parametrize("work", [unavailable, unavailable_in_a_group])
def test_an_unavailable_server_ends_a_command_with_one_line(work: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert callable(work)
    with pytest.raises(typer.Exit) as end:
        CONTEXT.run(work())

    assert (end.value.exit_code, capsys.readouterr().err) == (1, "the database is unavailable; run it again\n")


def test_any_other_error_is_raised_as_it_is() -> None:
    async def work() -> None:
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        CONTEXT.run(work())


def test_a_missing_database_url_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)

    async def work(_database: Database) -> None: ...

    with pytest.raises(SystemExit) as end:
        CONTEXT.with_database(work)

    assert (end.value.code, "DATABASE_URL is missing" in capsys.readouterr().err) == (2, True)
