"""Documents back to where the original kept them."""

from __future__ import annotations

import asyncio
import csv
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from uuid import UUID

from files import store
from files.actions.desk import Desk
from files.domain import File

PAGE = 200
MAP = "map.csv"


class Damaged(Exception):
    """The bucket holds other bytes than were stored."""


async def list_all(desk: Desk, tenant_id: UUID) -> list[tuple[File, str]]:
    """Every document of a tenant, with the path that it had, or would have had."""
    found: list[tuple[File, str]] = []
    after = UUID(int=0)
    while True:
        async with desk.database.connection() as conn:
            rows = await store.list_for_export(conn, tenant_id, after, PAGE)
        found += [(file, source or f"{file.id}-{file.name}") for file, source in rows]
        if len(rows) < PAGE:
            return found
        after = rows[-1][0].id


async def export_all(
    desk: Desk, documents: list[tuple[File, str]], folder: Path, workers: int, tell: Callable[[str], None]
) -> None:
    """Write them all, and the map of what they belong to. A file that is there already, with these bytes, stays."""
    waiting = iter(documents)

    async def work() -> None:
        for file, path in waiting:
            await _export(desk, file, _inside(folder, path))
            tell(path)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(workers):
            tasks.create_task(work())
    _write_map(folder / MAP, documents)


async def _export(desk: Desk, file: File, target: Path) -> None:
    if await asyncio.to_thread(_is_there, target, file.sha256):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.part")
    found = sha256()
    with draft.open("wb") as output:
        async with desk.bucket.read(file.key) as chunks:
            async for chunk in chunks:
                found.update(chunk)
                await asyncio.to_thread(output.write, chunk)
    if found.hexdigest() != file.sha256:
        raise Damaged(f"{file.key}: the bucket holds other bytes than were stored")
    draft.replace(target)


def _is_there(target: Path, digest: str | None) -> bool:
    return target.exists() and sha256(target.read_bytes()).hexdigest() == digest


def _inside(folder: Path, path: str) -> Path:
    """Never outside of the folder, whatever a row says."""
    target = (folder / path).resolve()
    return target if target.is_relative_to(folder.resolve()) else folder / Path(path).name


def _write_map(target: Path, documents: list[tuple[File, str]]) -> None:
    with target.open("w", newline="", encoding="utf-8") as output:
        writer = csv.writer(output)
        writer.writerow(["path", "entity_type", "entity_id"])
        writer.writerows((path, file.entity_type, file.entity_id) for file, path in documents)
