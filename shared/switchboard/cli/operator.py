"""`bin/switchboard`: the operator's commands of every installed package, in one program.

A package offers a typer application under the entry point group `switchboard.commands`; its commands
stand side by side with those of the others. Before one of service X runs, the variables in
`$SWITCHBOARD_ENV_DIR/X.env` are set, unless they are already; `make up` writes these files.
"""

import functools
import logging
import os
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import structlog
import typer
from typer.core import TyperGroup

GROUP = "switchboard.commands"
ENVIRONMENTS = "SWITCHBOARD_ENV_DIR"
DEFAULT_ENVIRONMENTS = Path(__file__).resolve().parents[3] / ".local" / "run" / "env"
FIRST = "local"  # asked most, loaded quickest


def environment_of(service: str) -> dict[str, str]:
    """The settings of a service on this machine; nothing when no file says them."""
    file = Path(os.environ.get(ENVIRONMENTS) or DEFAULT_ENVIRONMENTS) / f"{service}.env"
    return read_environment(file) if file.exists() else {}


def read_environment(file: Path) -> dict[str, str]:
    """Lines of NAME=VALUE."""
    lines = (line.partition("=") for line in file.read_text().splitlines() if "=" in line)
    return {name: value for name, _, value in lines}


class Commands(TyperGroup):
    """Those of all packages; a package is loaded when none before it knows the command."""

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(name for entry in _entries() for name in _commands(entry))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        for entry in _entries():
            if cmd_name in _commands(entry):
                return _commands(entry)[cmd_name]
        return None


operator = typer.Typer(cls=Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_show_locals=False)


@operator.callback()
def _operate() -> None:
    """Operate Switchboard: its data, its messages, its processes."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),  # what is printed is the command's answer
    )


def _entries() -> list[EntryPoint]:
    return sorted(entry_points(group=GROUP), key=lambda entry: (entry.name != FIRST, entry.name))


@functools.cache
def _commands(entry: EntryPoint) -> dict[str, Any]:
    offered: typer.Typer = entry.load()
    _set_environment_before(offered, entry.name)
    offered.callback()(_nothing)  # a group also when it has but one command
    commands: dict[str, Any] = dict(typer.main.get_group(offered).commands)
    return commands


def _nothing() -> None: ...


def _set_environment_before(app: typer.Typer, service: str) -> None:
    for command in app.registered_commands:
        if command.callback is not None:
            command.callback = _in_environment(service, command.callback)
    for group in app.registered_groups:
        if group.typer_instance is not None:
            _set_environment_before(group.typer_instance, service)


def _in_environment(service: str, command: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        for name, value in environment_of(service).items():
            os.environ.setdefault(name, value)
        return command(*args, **kwargs)

    return run


if __name__ == "__main__":
    operator(prog_name="switchboard")
