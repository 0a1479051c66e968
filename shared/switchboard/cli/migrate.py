"""The operator command `migrate`: schema migrations of the services' databases."""

import os
from importlib.metadata import distributions
from typing import Annotated

import typer

from switchboard.cli.operator import environment_of
from switchboard.postgres.migrations import NewerDatabase, NoScripts, migrate_all, scripts_of
from switchboard.runtime.unavailable import Unavailable

app = typer.Typer()


@app.command()
def migrate(
    service: Annotated[
        list[str] | None,
        typer.Option(help="Migrate only this service. Repeat the option for several. Default: all installed services."),
    ] = None,
) -> None:
    """Migrate the services' databases, each given by its DATABASE_URL, to the latest version. Safe to repeat."""
    chosen = service or installed_with_migrations()
    databases = {name: url for name in chosen if (url := _database_of(name, alone=len(chosen) == 1))}
    if not databases:
        raise typer.BadParameter("DATABASE_URL is not set for any of: " + ", ".join(chosen))
    try:
        done = migrate_all({name.replace("-", "_"): url for name, url in databases.items()})
    except (NewerDatabase, NoScripts, Unavailable) as error:
        typer.echo(f"not migrated: {error}", err=True)
        raise typer.Exit(1) from None
    for name, revisions in done.items():
        typer.echo(f"{name}: " + (", ".join(revisions) if revisions else "up to date"))


def installed_with_migrations() -> list[str]:
    """The installed services that have migrations."""
    names = {found.metadata["Name"] for found in distributions()}
    services = sorted(name.removeprefix("switchboard-") for name in names if name.startswith("switchboard-"))
    return [name for name in services if _has_migrations(name)]


def _has_migrations(service: str) -> bool:
    try:
        scripts_of(service.replace("-", "_"))
    except NoScripts:
        return False
    return True


def _database_of(service: str, *, alone: bool) -> str | None:
    """A service's DATABASE_URL. The environment variable counts only if one service is migrated."""
    given = os.environ.get("DATABASE_URL") if alone else None
    return given or environment_of(service).get("DATABASE_URL")
