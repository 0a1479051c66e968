"""`bin/switchboard`: the operator's commands of every installed package, in one program.

A package offers a typer application under the entry point group `switchboard.commands`; its commands
stand side by side with those of the others. Before one of service X runs, the variables in
`$SWITCHBOARD_ENV_DIR/X.env` are set, unless they are already; `make up` writes these files.
"""

import functools
import os
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import typer

GROUP = "switchboard.commands"
ENVIRONMENTS = "SWITCHBOARD_ENV_DIR"
DEFAULT_ENVIRONMENTS = Path(__file__).resolve().parents[2] / ".local" / "run" / "env"


def environment_of(service: str) -> dict[str, str]:
    """The settings of a service on this machine; nothing when no file says them."""
    file = Path(os.environ.get(ENVIRONMENTS) or DEFAULT_ENVIRONMENTS) / f"{service}.env"
    return read_environment(file) if file.exists() else {}


def read_environment(file: Path) -> dict[str, str]:
    """Lines of NAME=VALUE."""
    lines = (line.partition("=") for line in file.read_text().splitlines() if "=" in line)
    return {name: value for name, _, value in lines}


def operator() -> typer.Typer:
    """All commands of all packages."""
    app = typer.Typer(
        name="switchboard",
        help="Operate Switchboard: its data, its messages, its processes.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_show_locals=False,
    )
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        app.add_typer(_commands(entry))
    return app


def _commands(entry: EntryPoint) -> typer.Typer:
    try:
        offered: typer.Typer = entry.load()
    except ModuleNotFoundError as missing:
        if missing.name != entry.module:
            raise
        return typer.Typer()
    _set_environment_before(offered, entry.name)
    return offered


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
    operator()()
