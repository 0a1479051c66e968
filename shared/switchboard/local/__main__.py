"""Run private servers, or a whole stack, for tests: `python -m switchboard.local servers --keep DIR` (or `stack`)."""

from pathlib import Path
from typing import Annotated

import typer

from switchboard.local.private_stacks import keep_servers, keep_stack

app = typer.Typer(add_completion=False, no_args_is_help=True)
Keep = Annotated[Path, typer.Option("--keep", help="The directory for the data, and for the file with the addresses.")]
UntilExitOf = Annotated[int | None, typer.Option(help="End together with this process.")]


@app.callback()
def _local() -> None:
    """Private servers and stacks, for tests."""


@app.command()
def servers(keep: Keep, until_exit_of: UntilExitOf = None) -> None:
    """Postgres, RabbitMQ, Redis and an S3 store for SWITCHBOARD_TEST_SERVERS=DIR."""
    keep_servers(keep, until_exit_of)


@app.command()
def stack(keep: Keep, until_exit_of: UntilExitOf = None) -> None:
    """The whole product, two instances of each service, on private servers."""
    keep_stack(keep, until_exit_of)


if __name__ == "__main__":
    app()
