"""`bin/switchboard import-schedules`: what the original had planned, in."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

import phonenumbers
import typer
from rich.progress import track
from rich.table import Table

from scheduler.commands.context import with_database
from scheduler.legacy.importing import Import, Tally, import_row
from scheduler.legacy.rows import list_rows
from switchboard.cli.user_map import read_user_map
from switchboard.postgres.database import Database
from switchboard.runtime.terminal import Terminal

console = Terminal()


def import_schedules(
    folder: Annotated[
        Path,
        typer.Option(
            "--from", help="Holds campaigns, reminders, calls as .json or .ndjson.", exists=True, file_okay=False
        ),
    ],
    tenant: Annotated[UUID, typer.Option(help="The tenant that they belong to.")],
    user_map: Annotated[
        Path | None,
        typer.Option(help="Old user ids to new: JSON {old: new}, or CSV old,new.", exists=True, dir_okay=False),
    ] = None,
    default_region: Annotated[str, typer.Option(help="Where a phone without a country is at home.")] = "US",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and check everything, write nothing.")] = False,
) -> None:
    """Plan what the original's campaigns, lead reminders and calls had still to come. Again does no harm.

    A row that can't be planned is reported with its reason, the rest goes on, and the exit code is 1.
    """
    if default_region.upper() not in phonenumbers.SUPPORTED_REGIONS:
        raise typer.BadParameter("is no country's two letters", param_hint="--default-region")
    plan = Import(tenant, read_user_map(user_map), default_region.upper(), dry_run)
    rows, broken = list_rows(folder)
    tally = Tally(broken=broken)

    async def run(database: Database) -> None:
        for row in track(rows, "Reading" if dry_run else "Planning", console=console):
            await import_row(database, plan, row, tally, datetime.now(UTC))
        await asyncio.sleep(0)  # let the wake-up of the leader and the relay out

    with_database(run)
    word = "would be planned" if dry_run else "planned"
    console.print(
        f"[bold green]{tally.planned} {word}[/], {tally.known} were there, {tally.over} were over in the original, "
        f"[{'red' if tally.broken else 'dim'}]{len(tally.broken)} left out[/]"
    )
    if tally.broken:
        table = Table("row", "reason", title="Left out", title_justify="left")
        for place, reason in tally.broken:
            table.add_row(place, reason)
        console.print(table)
    raise typer.Exit(1 if tally.broken else 0)
