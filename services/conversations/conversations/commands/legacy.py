"""`migrate-conversations` and `export-conversations`: import and export of the legacy platform's files."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from pydantic import TypeAdapter, ValidationError
from rich.table import Table

from conversations.commands.context import context
from conversations.legacy import exporting, importing, store, verifying
from conversations.legacy.folder import BrokenFile, Group, Names, group_files, list_files
from switchboard.cli.progress import each
from switchboard.cli.user_map import read_user_map
from switchboard.postgres.database import Database
from switchboard.replica.user_replica import list_user_ids
from switchboard.runtime.phones import Region
from switchboard.runtime.terminal import Terminal

CONCURRENCY = 4  # conversations at the same time

console = Terminal()

From = Annotated[
    Path, typer.Option("--from", help="The legacy folder: {userId}/{phone}.json.", exists=True, file_okay=False)
]
To = Annotated[Path, typer.Option("--to", help="The folder to write to; created if it is missing.", file_okay=False)]
Tenant = Annotated[UUID, typer.Option(help="The tenant that the conversations belong to.")]
UserMap = Annotated[
    Path | None, typer.Option(help="Old user ids to new: JSON {old: new}, or CSV old,new.", exists=True, dir_okay=False)
]
Home = Annotated[str, typer.Option("--default-region", help="The country of file names without a country code.")]
Dry = Annotated[bool, typer.Option("--dry-run", help="Read everything, write nothing.")]
Verify = Annotated[
    bool, typer.Option("--verify", help="Afterwards, compare counts, checksums and texts with the files.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to the service's commands."""
    app.command("migrate-conversations")(migrate_conversations)
    app.command("export-conversations")(export_conversations)


def migrate_conversations(
    folder: From,
    tenant: Tenant,
    user_map: UserMap = None,
    default_region: Home = "US",
    dry_run: Dry = False,
    verify: Verify = False,
) -> None:
    """Import conversations of the legacy platform. Safe to repeat: each message is imported once.

    A file or a message that can't be read is listed with its reason, the others are imported, and the exit code is 1.
    """
    region = _region(default_region)

    async def run(database: Database) -> bool:
        async with database.connection() as conn:
            users = frozenset(await list_user_ids(conn, tenant))
        names = Names(read_user_map(user_map), users, region)
        groups, broken = await asyncio.to_thread(group_files, list_files(folder), names)
        report = importing.ImportReport(broken=broken)
        await each(
            groups,
            lambda group: importing.import_group(database, tenant, group, report, dry=dry_run),
            label="Reading" if dry_run else "Migrating",
            workers=CONCURRENCY,
            console=console,
        )
        _show_import(report, dry=dry_run)
        if not verify:
            return not report.broken
        return await _verify(database, tenant, groups) and not report.broken

    raise typer.Exit(0 if context.with_database(run) else 1)


def export_conversations(folder: To, tenant: Tenant) -> None:
    """Export conversations as legacy files: imported messages are unchanged, newer ones follow them."""

    async def run(database: Database) -> exporting.ExportReport:
        async with database.connection() as conn:
            folders = await store.list_folders(conn, tenant)
            conversations = [found async for found in store.each_conversation(conn, tenant)]
        report = exporting.ExportReport()
        await each(
            conversations,
            lambda one: exporting.export_conversation(database, tenant, one, folder, folders, report),
            label="Exporting",
            workers=CONCURRENCY,
            console=console,
        )
        return report

    report = context.with_database(run)
    console.print(f"[bold]{report.files}[/] files with [bold]{report.messages}[/] messages written to {folder}")


async def _verify(database: Database, tenant: UUID, groups: list[Group]) -> bool:
    report = verifying.VerifyReport()
    await each(
        groups,
        lambda group: verifying.verify_group(database, tenant, group, report),
        label="Verifying",
        workers=CONCURRENCY,
        console=console,
    )
    console.print(
        f"Verified: [green]{report.equal} equal[/], {report.cleared} cleared since, {len(report.wrong)} wrong"
    )
    _show_broken("Not as in the files", report.wrong)
    return not report.wrong


def _show_import(report: importing.ImportReport, *, dry: bool) -> None:
    would = "would be added" if dry else "added"
    console.print(
        f"{report.files} files, {report.conversations} conversations: [bold green]{report.added} messages {would}[/], "
        f"{report.known} were there, [{'red' if report.broken else 'dim'}]{len(report.broken)} left out[/]"
    )
    _show_broken("Left out", report.broken)


def _show_broken(title: str, broken: Iterable[BrokenFile]) -> None:
    table = Table("file", "reason", title=title, title_justify="left")
    for one in broken:
        table.add_row(one.file, one.reason)
    if table.row_count:
        console.print(table)


def _region(text: str) -> str:
    try:
        region: str = TypeAdapter(Region).validate_python(text)
    except ValidationError:
        raise typer.BadParameter(f"{text!r} is not a two-letter country code", param_hint="--default-region") from None
    return region
