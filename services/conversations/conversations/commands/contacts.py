"""`contacts …`: a tenant's contacts as CSV, in and out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from rich.progress import Progress

from conversations.actions import contact_files
from conversations.commands.context import with_database
from conversations.domain.contacts import UnusableFile
from switchboard.postgres.database import Database
from switchboard.runtime.terminal import Terminal

CHUNK = 256 * 1024

app = typer.Typer(no_args_is_help=True, help="A tenant's contacts as CSV.")
console = Terminal()

Tenant = Annotated[UUID, typer.Option(help="Whose contacts.")]


@app.command("import")
def import_(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="Columns phone, name, tags, owner_id, opted_out.")
    ],
    tenant: Tenant,
    default_region: Annotated[str, typer.Option(help="Where a phone without a country is at home.")] = "US",
) -> None:
    """Make and change contacts; each rejected line is named with its reason. Again does no harm."""
    with Progress(console=console) as progress:
        bar = progress.add_task("Importing", total=file.stat().st_size)
        report = contact_files.Report(lambda line, reason: console.print(f"line {line}: {reason}", markup=False))

        async def chunks() -> AsyncIterator[bytes]:
            with file.open("rb") as source:
                while piece := await asyncio.to_thread(source.read, CHUNK):
                    yield piece
                    progress.advance(bar, len(piece))

        async def run(database: Database) -> None:
            await contact_files.import_contacts(database, tenant, chunks(), default_region.upper(), report)

        try:
            with_database(run)
        except UnusableFile as reason:
            raise typer.BadParameter(reason.detail) from None
    console.print(f"{report.created} made, {report.updated} changed, {report.rejections} rejected")


@app.command("export")
def export(
    file: Annotated[Path, typer.Argument(dir_okay=False, help="Written anew.")],
    tenant: Tenant,
    tag: Annotated[str | None, typer.Option(help="Only those with this tag.")] = None,
) -> None:
    """Write them as `import` takes them."""

    async def run(database: Database) -> None:
        with file.open("wb") as target:
            async for piece in contact_files.export_contacts(database, tenant, tag=tag):
                target.write(piece)

    with_database(run)
    console.print(f"Written to {file}")
