"""Operator commands, found through the entry points of the packages that are installed here."""

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner

from switchboard.cli import operator

REPOSITORY = Path(__file__).parents[3]
COMMANDS = {
    "backup", "contacts check", "contacts export", "contacts import", "dead-letters discard", "dead-letters list",
    "dead-letters replay", "dead-letters show", "deliveries list", "deliveries resolve", "demo", "down",
    "encryption-keys apply",
    "encryption-keys retire", "encryption-keys rotate", "events tail",
    "export-conversations", "export-files", "identity-keys retire", "identity-keys rotate", "import-schedules",
    "import-users", "inbound list", "logs", "migrate", "migrate-conversations", "migrate-files", "restore",
    "schedule list", "schedule pause",
    "schedule resume", "schedule run-now", "schedule show", "status",
    "tenant extend-trial", "tenant list", "tenant resume", "tenant show", "tenant suspend", "up", "user create",
}  # fmt: skip


def commands_of(command: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    """The names of the command, or of all commands in a group."""
    if not hasattr(command, "list_commands"):
        yield " ".join(path)
        return
    context = typer.Context(command)
    for name in command.list_commands(context):
        yield from commands_of(command.get_command(context, name), (*path, name))


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "switchboard.cli.operator", *words],
        capture_output=True, text=True, env={"PATH": os.environ["PATH"], **environment},
    )  # fmt: skip


def test_the_entry_points_offer_every_command() -> None:
    assert set(commands_of(get_command(operator.operator))) == COMMANDS


@pytest.mark.parametrize("entry", entry_points(group=operator.GROUP), ids=lambda entry: str(entry.name))
def test_an_entry_point_names_a_module_that_exists(entry: EntryPoint) -> None:
    assert find_spec(entry.module) is not None


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_explains_itself(command: str) -> None:
    result = CliRunner().invoke(operator.operator, [*command.split(), "--help"])

    assert result.exit_code == 0, result.output
    assert "Usage:" in result.output


def test_the_program_lists_the_commands_of_all_packages() -> None:
    done = run("--help")

    assert done.returncode == 0, done.stderr
    assert all(command.split()[0] in done.stdout for command in COMMANDS)


def test_a_command_gets_the_environment_of_its_service(tmp_path: Path) -> None:
    (tmp_path / "scheduler.env").write_text("DATABASE_URL=postgresql://scheduler@127.0.0.1:9/scheduler\n")

    listed = run("schedule", "list", SWITCHBOARD_ENV_DIR=str(tmp_path))

    assert listed.returncode == 1
    assert "127.0.0.1" in listed.stderr


def test_a_migration_without_a_database_says_so(tmp_path: Path) -> None:
    done = run("migrate", SWITCHBOARD_ENV_DIR=str(tmp_path))

    assert done.returncode == 2
    assert "DATABASE_URL is not set" in done.stderr


def test_the_default_environments_are_in_the_repository() -> None:
    assert operator.DEFAULT_ENVIRONMENTS == REPOSITORY / ".local" / "run" / "env"
    assert (REPOSITORY / "Makefile").exists()


def test_a_stale_entry_point_asks_for_make_setup() -> None:
    stale = EntryPoint("files", "files.operator_commands:app", operator.GROUP)

    with pytest.raises(SystemExit, match="run make setup"):
        operator._commands(stale)


WITHOUT_LOCAL = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"psutil", "supervisor", "nanio"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
from switchboard.cli.operator import operator
operator(prog_name="switchboard")
"""


@pytest.mark.parametrize("command", ["", "migrate", "dead-letters replay", "identity-keys rotate"])
def test_commands_work_where_the_extra_local_is_absent(command: str) -> None:
    arguments = [sys.executable, "-c", WITHOUT_LOCAL, *command.split(), "--help"]

    ran = subprocess.run(arguments, capture_output=True, text=True, check=False)

    assert ran.returncode == 0, ran.stderr
    assert "Usage: switchboard" in ran.stdout
