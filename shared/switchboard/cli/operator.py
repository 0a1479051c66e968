"""`bin/switchboard`: the operator commands of all installed packages in one program.

A package offers its commands as a typer application by an entry point of the group `switchboard.commands`. Before a
command of the package X runs, the variables in `$SWITCHBOARD_ENV_DIR/X.env` are set, unless they are set already.
`make up` writes these files to the default directory, `.local/run/env` in the repository.
"""

import functools
import logging
import os
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import structlog
import typer
from typer.core import TyperGroup

GROUP = "switchboard.commands"
ENVIRONMENTS = "SWITCHBOARD_ENV_DIR"
REPOSITORY = Path(__file__).resolve().parents[3]
DEFAULT_ENVIRONMENTS = REPOSITORY / ".local" / "run" / "env"
FIRST = "local"  # its commands are used most, and it imports least
ONLY_LOCAL = "supervisor"  # a module that comes with the extra `local` alone; the image has none


def environment_of(service: str) -> dict[str, str]:
    """The settings of a service on this machine. Empty when it has no file."""
    file = Path(os.environ.get(ENVIRONMENTS) or DEFAULT_ENVIRONMENTS) / f"{service}.env"
    return read_environment(file) if file.exists() else {}


def read_environment(file: Path) -> dict[str, str]:
    """Read a file with lines of NAME=VALUE."""
    lines = (line.partition("=") for line in file.read_text().splitlines() if "=" in line)
    return {name: value for name, _, value in lines}


class CommandsOfPackages(TyperGroup):
    """The commands of all packages. Packages are imported one after another until the command is found."""

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(name for entry in _entries() for name in _commands(entry))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        for entry in _entries():
            if cmd_name in _commands(entry):
                return _commands(entry)[cmd_name]
        return None


operator = typer.Typer(
    cls=CommandsOfPackages, no_args_is_help=True, add_completion=False, pretty_exceptions_show_locals=False
)


@operator.callback()
def _configure() -> None:
    """Operate Switchboard: its data, its messages, its processes."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),  # stdout has the output of the command alone
    )


def _entries() -> list[EntryPoint]:
    return sorted(entry_points(group=GROUP), key=lambda entry: (entry.name != FIRST, entry.name))


@functools.cache
def _commands(entry: EntryPoint) -> dict[str, Any]:
    try:
        package_app: typer.Typer = entry.load()
    except ModuleNotFoundError as error:
        if entry.name == FIRST and not _is_installed(ONLY_LOCAL):
            return {}
        sys.exit(f"switchboard: .venv is older than this tree, run make setup ({entry.value}: {error})")
    _set_environments(package_app, entry.name)
    package_app.callback()(_no_callback)  # makes it a group even if it has only one command
    commands: dict[str, Any] = dict(typer.main.get_group(package_app).commands)
    return commands


def _no_callback() -> None: ...


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _set_environments(app: typer.Typer, service: str) -> None:
    for command in app.registered_commands:
        if command.callback is not None:
            command.callback = _in_environment(service, command.callback)
    for group in app.registered_groups:
        if group.typer_instance is not None:
            _set_environments(group.typer_instance, service)


def _in_environment(service: str, command: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        for name, value in environment_of(service).items():
            os.environ.setdefault(name, value)
        return command(*args, **kwargs)

    return run


if __name__ == "__main__":
    operator(prog_name="switchboard")
