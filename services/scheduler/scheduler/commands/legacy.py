"""The operator command `import-schedules`: import the plans of the legacy platform."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from rich.progress import track
from rich.table import Table

from scheduler.legacy.importing import ScheduleImport, ScheduleImportReport, import_row
from scheduler.legacy.rows import list_rows
from switchboard.cli.context import CommandContext
from switchboard.cli.user_map import read_user_map
from switchboard.postgres.database import Database
from switchboard.runtime.phones import known_region
from switchboard.runtime.terminal import Terminal

console = Terminal()
context = CommandContext("scheduler")


def import_schedules(
    folder: Annotated[
        Path,
        typer.Option(
            "--from",
            help="A folder with campaigns, reminders, calls as .json or .ndjson.",
            exists=True,
            file_okay=False,
        ),
    ],
    tenant: Annotated[UUID, typer.Option(help="The tenant to import into.")],
    user_map: Annotated[
        Path | None,
        typer.Option(help="Old user ids to new: JSON {old: new}, or CSV old,new.", exists=True, dir_okay=False),
    ] = None,
    default_region: Annotated[str, typer.Option(help="The country of phone numbers without a country code.")] = "US",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and check everything, write nothing.")] = False,
) -> None:
    """Import the legacy platform's campaigns, lead reminders and calls that are still to come. It may be repeated.

    A row that can't be planned is reported with the reason, the others are imported, and the exit code is 1.
    """
    try:
        region = known_region(default_region)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--default-region") from None
    plan = ScheduleImport(tenant, read_user_map(user_map), region, dry_run)
    rows, broken = list_rows(folder)
    report = ScheduleImportReport(broken=broken)

    async def run(database: Database) -> None:
        for row in track(rows, "Reading" if dry_run else "Planning", console=console):
            await import_row(database, plan, row, report, datetime.now(UTC))
        await asyncio.sleep(0)  # send the notifications to the firing loop and the relay

    context.with_database(run)
    word = "would be planned" if dry_run else "planned"
    console.print(
        f"[bold green]{report.planned} {word}[/], {report.known} were imported before, "
        f"{report.over} were over in the legacy platform, "
        f"[{'red' if report.broken else 'dim'}]{len(report.broken)} left out[/]"
    )
    if report.broken:
        table = Table("row", "reason", title="Left out", title_justify="left")
        for place, reason in report.broken:
            table.add_row(place, reason)
        console.print(table)
    raise typer.Exit(1 if report.broken else 0)
