"""`bin/switchboard migrate-files` and `export-files`."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated, TypeVar
from uuid import UUID

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from files.actions.deps import Desk
from files.adapters.bucket import open_bucket
from files.adapters.memory_budget import Room
from files.legacy.exporting import Exported, export_all, list_all
from files.legacy.folder import BadMap, Entity, list_originals, read_map
from files.legacy.importing import Importer, Outcome
from files.settings import BucketSettings
from switchboard.postgres.database import open_database
from switchboard.runtime.settings import PostgresUrl, load
from switchboard.runtime.terminal import Terminal
from switchboard.runtime.unavailable import Unavailable

app = typer.Typer()
console = Terminal()

T = TypeVar("T")

Tenant = Annotated[UUID, typer.Option(help="Whose documents these are.", show_default=False)]
Workers = Annotated[int, typer.Option(min=1, max=64, help="How many at once.")]


class CommandSettings(BucketSettings):
    """All that a command needs."""

    database_url: PostgresUrl


@app.command("migrate-files")
def migrate_files(
    source: Annotated[Path, typer.Option("--from", exists=True, file_okay=False, help="The original's folder.")],
    tenant: Tenant,
    user: Annotated[UUID, typer.Option(help="Who counts as having uploaded them.", show_default=False)],
    map_file: Annotated[
        Path | None, typer.Option("--map", exists=True, dir_okay=False, help="CSV: old path, entity type, entity id.")
    ] = None,
    entity_type: Annotated[str, typer.Option(help="For those that the map doesn't name.")] = "imported",
    entity_id: Annotated[str, typer.Option(help="For those that the map doesn't name.")] = "unassigned",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing.")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Read each one back and compare its SHA-256.")] = False,
    workers: Workers = 8,
) -> None:
    """Bring the original's documents into the bucket. Again: adds what is missing, changes nothing that is there."""
    try:
        entities = read_map(map_file) if map_file else {}
    except BadMap as bad:
        raise typer.BadParameter(str(bad)) from None
    originals = list_originals(source, entities, Entity(entity_type, entity_id))
    results: Counter[str] = Counter()

    async def migrate() -> None:
        async with _desk() as desk:
            importer = Importer(desk, tenant, user, dry_run, verify)
            with _progress() as progress:
                bar = progress.add_task("documents", total=len(originals))

                def tell(outcome: Outcome) -> None:
                    results[outcome.result] += 1
                    progress.advance(bar)
                    if outcome.reason:
                        _tell(f"{outcome.result}: {outcome.original.path}: {outcome.reason}")

                await importer.take_all(originals, workers, tell)

    _run(migrate())
    words = {
        "added": "would be added" if dry_run else "added",
        "there": "were there already",
        "deleted": "were deleted since and stay so",
    }
    console.print(", ".join(f"{count} {words.get(result, result)}" for result, count in results.items()) or "nothing")
    if results["broken"] or results["changed"]:
        raise typer.Exit(1)


@app.command("export-files")
def export_files(
    to: Annotated[Path, typer.Option("--to", file_okay=False, help="The folder to write.")],
    tenant: Tenant,
    workers: Workers = 8,
) -> None:
    """Write all documents as the original kept them, and a map of what they belong to."""

    lost: list[Exported] = []

    async def export() -> int:
        async with _desk() as desk:
            documents = await list_all(desk, tenant)
            to.mkdir(parents=True, exist_ok=True)
            with _progress() as progress:
                bar = progress.add_task("documents", total=len(documents))

                def tell(exported: Exported) -> None:
                    progress.advance(bar)
                    if exported.trouble:
                        lost.append(exported)
                        _tell(f"lost: {exported.path}: {exported.trouble}")

                await export_all(desk, documents, to, workers, tell)
            return len(documents)

    total = _run(export())
    console.print(f"{total - len(lost)} documents in {to}" + (f", {len(lost)} lost" if lost else ""))
    if lost:
        raise typer.Exit(1)


@asynccontextmanager
async def _desk() -> AsyncIterator[Desk]:
    settings = load(CommandSettings)
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(settings.database_url, application="files"))
        bucket = await stack.enter_async_context(open_bucket(settings))
        await bucket.create_if_missing()
        yield Desk(database, bucket, 0, timedelta(hours=1), timedelta(hours=1), Room(0))


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console
    )


def _tell(line: str) -> None:
    """Above the bar."""
    console.print(line, markup=False)


def _run(work: Coroutine[None, None, T]) -> T:
    try:
        return asyncio.run(work)
    except (Unavailable, ExceptionGroup) as trouble:
        told = trouble.exceptions[0] if isinstance(trouble, ExceptionGroup) else trouble
        if not isinstance(told, Unavailable):
            raise
        console.print(str(told), style="red", markup=False)
        raise typer.Exit(1) from None
