"""`migrate-conversations` and `export-conversations`: the original's files, in and out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Annotated, TypeVar
from uuid import UUID

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from conversations.commands.context import with_database
from conversations.legacy import exporting, importing, verifying
from conversations.legacy import store as imports
from conversations.legacy.folder import Broken, Group, Names, group_files, list_files
from switchboard.cli.user_map import read_user_map
from switchboard.postgres.database import Database
from switchboard.replica.user_replica import list_user_ids
from switchboard.runtime.phones import Region
from switchboard.runtime.terminal import Terminal

AT_ONCE = 4  # conversations in hand

T = TypeVar("T")
console = Terminal()

From = Annotated[
    Path, typer.Option("--from", help="The original's folder: {userId}/{phone}.json.", exists=True, file_okay=False)
]
To = Annotated[Path, typer.Option("--to", help="The folder to write to; made if it isn't there.", file_okay=False)]
Tenant = Annotated[UUID, typer.Option(help="The tenant that the conversations belong to.")]
UserMap = Annotated[
    Path | None, typer.Option(help="Old user ids to new: JSON {old: new}, or CSV old,new.", exists=True, dir_okay=False)
]
Home = Annotated[str, typer.Option("--default-region", help="Where a file name without a country is at home.")]
Dry = Annotated[bool, typer.Option("--dry-run", help="Read everything, write nothing.")]
Verify = Annotated[
    bool, typer.Option("--verify", help="Afterwards, compare counts, checksums and texts with the files.")
]


def register(app: typer.Typer) -> None:
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
    """Bring the original's conversations in. Run it again at any time: each message comes in once.

    A file that can't be read is reported with its reason, the rest goes on, and the exit code is 1.
    """
    region = _region(default_region)

    async def run(database: Database) -> bool:
        async with database.connection() as conn:
            users = frozenset(await list_user_ids(conn, tenant))
        names = Names(read_user_map(user_map), users, region)
        groups, broken = await asyncio.to_thread(group_files, list_files(folder), names)
        tally = importing.Tally(broken=broken)
        await _each(
            groups,
            lambda group: importing.import_group(database, tenant, group, tally, dry=dry_run),
            "Reading" if dry_run else "Migrating",
        )
        _show_import(tally, dry=dry_run)
        if not verify:
            return not tally.broken
        return await _verify(database, tenant, groups) and not tally.broken

    raise typer.Exit(0 if with_database(run) else 1)


def export_conversations(folder: To, tenant: Tenant) -> None:
    """Write the original's files again: what was brought in comes out the same, with what was written since."""

    async def run(database: Database) -> exporting.Tally:
        async with database.connection() as conn:
            folders = await imports.list_folders(conn, tenant)
            conversations = [found async for found in imports.each_conversation(conn, tenant)]
        tally = exporting.Tally()
        await _each(
            conversations,
            lambda one: exporting.export_conversation(database, tenant, one, folder, folders, tally),
            "Exporting",
        )
        return tally

    tally = with_database(run)
    console.print(f"[bold]{tally.files}[/] files with [bold]{tally.messages}[/] messages written to {folder}")


async def _verify(database: Database, tenant: UUID, groups: list[Group]) -> bool:
    verdict = verifying.Verdict()
    await _each(groups, lambda group: verifying.verify_group(database, tenant, group, verdict), "Verifying")
    console.print(
        f"Verified: [green]{verdict.equal} equal[/], {verdict.cleared} cleared since, {len(verdict.wrong)} wrong"
    )
    _show_broken("Not as in the files", verdict.wrong)
    return not verdict.wrong


async def _each(items: list[T], act: Callable[[T], Awaitable[None]], what: str) -> None:
    """Some at a time, with a bar."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task(what, total=len(items))
        left = iter(items)

        async def work_off() -> None:
            for item in left:
                await act(item)
                progress.advance(bar)

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(work_off())


def _show_import(tally: importing.Tally, *, dry: bool) -> None:
    would = "would be added" if dry else "added"
    console.print(
        f"{tally.files} files, {tally.conversations} conversations: [bold green]{tally.added} messages {would}[/], "
        f"{tally.known} were there, [{'red' if tally.broken else 'dim'}]{len(tally.broken)} files left out[/]"
    )
    _show_broken("Left out", tally.broken)


def _show_broken(title: str, broken: Iterable[Broken]) -> None:
    table = Table("file", "reason", title=title, title_justify="left")
    for one in broken:
        table.add_row(one.file, one.reason)
    if table.row_count:
        console.print(table)


def _region(text: str) -> str:
    from pydantic import TypeAdapter, ValidationError

    try:
        region: str = TypeAdapter(Region).validate_python(text)
    except ValidationError:
        raise typer.BadParameter(f"{text!r} is no country's two letters", param_hint="--default-region") from None
    return region
