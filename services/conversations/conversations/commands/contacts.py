"""`contacts …`: CSV import and export of a tenant's contacts, and the check of their numbers."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from rich.progress import Progress
from uuid_utils.compat import uuid7

from conversations.actions.csv_export import export_contacts
from conversations.actions.csv_import import import_contacts
from conversations.commands.context import context
from conversations.domain.contacts import UnusableFile
from conversations.store.contact_imports import ContactImport, stream_rejected
from conversations.store.contacts import stream_phones
from switchboard.postgres.database import Database
from switchboard.runtime.phones import is_possible
from switchboard.runtime.terminal import Terminal

CHUNK = 256 * 1024

app = typer.Typer(no_args_is_help=True, help="CSV import and export of contacts; check of their numbers.")
console = Terminal()

Tenant = Annotated[UUID, typer.Option(help="The tenant that the contacts belong to.")]


@app.command("import")
def import_(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="Columns phone, name, tags, owner_id, opted_out.")
    ],
    tenant: Tenant,
    default_region: Annotated[str, typer.Option(help="The country of phones without a country code.")] = "US",
) -> None:
    """Create and update contacts. Rejected lines are listed with their reason. Safe to repeat."""
    with Progress(console=console) as progress:
        bar = progress.add_task("Importing", total=file.stat().st_size)

        async def chunks() -> AsyncIterator[bytes]:
            with file.open("rb") as source:
                while piece := await asyncio.to_thread(source.read, CHUNK):
                    yield piece
                    progress.advance(bar, len(piece))

        async def run(database: Database) -> ContactImport:
            report = await import_contacts(database, tenant, chunks(), default_region.upper(), uuid7())
            async with database.connection() as conn:
                async for line, reason in stream_rejected(conn, report.id):
                    console.print(f"line {line}: {reason}", markup=False)
            return report

        try:
            report = context.with_database(run)
        except UnusableFile as reason:
            raise typer.BadParameter(reason.detail) from None
    console.print(
        f"{report.created} created, {report.updated} updated, {report.unchanged} unchanged, {report.rejected} rejected"
    )


@app.command("check")
def check() -> None:
    """List contacts whose number can't exist, and those that are one line in two spellings, of all tenants.

    They are readable as before. Two contacts of one line share their consent; a user may delete one of them.
    """

    async def run(database: Database) -> None:
        impossible = doubled = 0
        async with database.connection() as conn:
            async for row in stream_phones(conn):
                if not is_possible(row["phone"]):
                    impossible += 1
                    console.print(f"{row['tenant_id']} {row['id']} {row['phone']}: no such number can exist")
                if row["other_id"] is not None and row["id"] < row["other_id"]:
                    doubled += 1
                    other = f"{row['other_id']} {row['other_phone']}"
                    console.print(f"{row['tenant_id']} {row['id']} {row['phone']}: the same line as {other}")
        console.print(f"{impossible} impossible numbers, {doubled} lines with two contacts")

    context.with_database(run)


@app.command("export")
def export(
    file: Annotated[Path, typer.Argument(dir_okay=False, help="The file to write; an existing one is replaced.")],
    tenant: Tenant,
    tag: Annotated[str | None, typer.Option(help="Only contacts with this tag.")] = None,
) -> None:
    """Write contacts to a file that `import` accepts."""

    async def run(database: Database) -> None:
        with file.open("wb") as target:
            async for piece in export_contacts(database, tenant, tag=tag):
                target.write(piece)

    context.with_database(run)
    console.print(f"Written to {file}")
