"""The commands `migrate-files` and `export-files`: the original platform's documents in and out."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from files.actions.deps import FileDeps
from files.adapters.bucket import open_bucket
from files.legacy.exporting import ExportOutcome, export_all, list_documents
from files.legacy.folder import Entity, InvalidMap, list_legacy_files, read_map
from files.legacy.importing import FileImporter, ImportOutcome
from files.settings import BucketSettings
from switchboard.cli.context import CommandContext
from switchboard.runtime.settings import load
from switchboard.runtime.terminal import Terminal

app = typer.Typer()
console = Terminal()
context = CommandContext("files", pool_size=10)

Tenant = Annotated[UUID, typer.Option(help="The tenant of the documents.", show_default=False)]
Workers = Annotated[int, typer.Option(min=1, max=64, help="How many at once.")]


@app.command("migrate-files")
def migrate_files(
    source: Annotated[
        Path, typer.Option("--from", exists=True, file_okay=False, help="The folder of the original platform.")
    ],
    tenant: Tenant,
    user: Annotated[UUID, typer.Option(help="The user recorded as their uploader.", show_default=False)],
    map_file: Annotated[
        Path | None, typer.Option("--map", exists=True, dir_okay=False, help="CSV: old path, entity type, entity id.")
    ] = None,
    entity_type: Annotated[str, typer.Option(help="For documents that the map does not list.")] = "imported",
    entity_id: Annotated[str, typer.Option(help="For documents that the map does not list.")] = "unassigned",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing.")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Read each one back and compare its SHA-256.")] = False,
    workers: Workers = 8,
) -> None:
    """Import the original platform's documents. Repeated runs add what is missing and change nothing else."""
    try:
        entities = read_map(map_file) if map_file else {}
    except InvalidMap as bad:
        raise typer.BadParameter(str(bad)) from None
    sources = list_legacy_files(source, entities, Entity(entity_type, entity_id))
    results: Counter[str] = Counter()

    async def migrate() -> None:
        async with _open_deps() as deps:
            importer = FileImporter(deps, tenant, user, dry_run, verify)
            with _progress() as progress:
                bar = progress.add_task("documents", total=len(sources))

                def report(outcome: ImportOutcome) -> None:
                    results[outcome.result] += 1
                    progress.advance(bar)
                    if outcome.reason:
                        _print(f"{outcome.result}: {outcome.source.path}: {outcome.reason}")

                await importer.import_all(sources, workers, report)

    context.run(migrate())
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
    """Export all documents as the original platform kept them, with a CSV map of their entities."""

    lost: list[ExportOutcome] = []

    async def export() -> int:
        async with _open_deps() as deps:
            documents = await list_documents(deps, tenant)
            to.mkdir(parents=True, exist_ok=True)
            with _progress() as progress:
                bar = progress.add_task("documents", total=len(documents))

                def report(outcome: ExportOutcome) -> None:
                    progress.advance(bar)
                    if outcome.reason:
                        lost.append(outcome)
                        _print(f"lost: {outcome.path}: {outcome.reason}")

                await export_all(deps, documents, to, workers, report)
            return len(documents)

    total = context.run(export())
    console.print(f"{total - len(lost)} documents in {to}" + (f", {len(lost)} lost" if lost else ""))
    if lost:
        raise typer.Exit(1)


@asynccontextmanager
async def _open_deps() -> AsyncIterator[FileDeps]:
    async with context.open_database() as database, open_bucket(load(BucketSettings)) as bucket:
        await bucket.create_if_missing()
        yield FileDeps(database, bucket)


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console
    )


def _print(line: str) -> None:
    """Print a line above the progress bar."""
    console.print(line, markup=False)
