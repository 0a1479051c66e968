"""The commands `migrate-files` and `export-files`: the legacy platform's documents in and out."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from files.actions.deps import FileDeps
from files.adapters.bucket import open_bucket
from files.domain.files import File
from files.legacy.exporting import export_document, list_documents, write_map
from files.legacy.folder import Entity, InvalidMap, LegacyFile, list_legacy_files, read_map
from files.legacy.importing import FileImporter
from files.settings import BucketSettings
from switchboard.cli.context import CommandContext
from switchboard.cli.progress import each
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
        Path, typer.Option("--from", exists=True, file_okay=False, help="The folder of the legacy platform.")
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
    """Import the legacy platform's documents. Repeated runs add what is missing and change nothing else."""
    try:
        entities = read_map(map_file) if map_file else {}
    except InvalidMap as bad:
        raise typer.BadParameter(str(bad)) from None
    sources = list_legacy_files(source, entities, Entity(entity_type, entity_id))
    results: Counter[str] = Counter()

    async def migrate() -> None:
        async with _open_deps() as deps:
            importer = FileImporter(deps, tenant, user, dry_run, verify)

            async def migrate_one(source: LegacyFile) -> None:
                result, reason = await importer.import_file(source)
                results[result] += 1
                if reason:
                    console.print(f"{result}: {source.shown}: {reason}", markup=False)

            await each(sources, migrate_one, label="documents", workers=workers, console=console)

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
    """Export all documents as the legacy platform kept them, with a CSV map of their entities."""
    lost: list[str] = []

    async def export() -> int:
        async with _open_deps() as deps:
            documents = await list_documents(deps, tenant)
            to.mkdir(parents=True, exist_ok=True)

            async def export_one(document: tuple[File, str]) -> None:
                file, path = document
                if reason := await export_document(deps, file, path, to):
                    lost.append(path)
                    console.print(f"lost: {path}: {reason}", markup=False)

            await each(documents, export_one, label="documents", workers=workers, console=console)
            write_map(to, documents)
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
