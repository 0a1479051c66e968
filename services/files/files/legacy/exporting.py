"""Documents back to where the original kept them."""

from __future__ import annotations

import asyncio
import csv
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePath
from uuid import UUID

from files.actions.deps import Desk
from files.domain.files import File
from files.store import files as store

PAGE = 200
MAP = "map.csv"
LONGEST_FILE_NAME = 255 - len(".") - len(".part")  # bytes, as file systems have it, with what a draft adds


@dataclass(frozen=True)
class Exported:
    """One document at its path. `trouble`: why it isn't there."""

    path: str
    trouble: str = ""


async def list_all(desk: Desk, tenant_id: UUID) -> list[tuple[File, str]]:
    """Every document of a tenant, with the path that it had, or would have had."""
    found: list[tuple[File, str]] = []
    after = UUID(int=0)
    while True:
        async with desk.database.connection() as conn:
            rows = await store.list_for_export(conn, tenant_id, after, PAGE)
        found += [(file, source or file_name(file)) for file, source in rows]
        if len(rows) < PAGE:
            return found
        after = rows[-1][0].id


def file_name(file: File) -> str:
    """As the original would have called it, `{uuid}-{originalname}`; cut where a file system would refuse it."""
    extension = PurePath(file.key).suffix  # one that we take: short, and the name's own
    base = file.name.removesuffix(extension)
    return f"{file.id}-{_cut(base, LONGEST_FILE_NAME - len(f'{file.id}-{extension}'))}{extension}"


def _cut(text: str, most: int) -> str:
    """At most so many bytes of it, and no half characters."""
    return text.encode()[:most].decode(errors="ignore")


async def export_all(
    desk: Desk, documents: list[tuple[File, str]], folder: Path, workers: int, tell: Callable[[Exported], None]
) -> None:
    """Write them all, and the map of what they belong to. A file that is there already, with these bytes, stays; one
    that the bucket has lost or damaged is reported, and the rest goes on. Raises `Unavailable`."""
    waiting = iter(documents)

    async def work() -> None:
        for file, path in waiting:
            tell(Exported(path, await _export(desk, file, _inside(folder, path))))

    async with asyncio.TaskGroup() as tasks:
        for _ in range(workers):
            tasks.create_task(work())
    _write_map(folder / MAP, documents)


async def _export(desk: Desk, file: File, target: Path) -> str:
    """Empty, or why not."""
    if await asyncio.to_thread(_is_there, target, file.sha256):
        return ""
    if await desk.bucket.find(file.key) is None:
        return "the bucket doesn't have it"
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.part")
    found = sha256()
    with draft.open("wb") as output:
        async with desk.bucket.read(file.key) as chunks:
            async for chunk in chunks:
                found.update(chunk)
                await asyncio.to_thread(output.write, chunk)
    if found.hexdigest() != file.sha256:
        draft.unlink()
        return "the bucket holds other bytes than were stored"
    draft.replace(target)
    return ""


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
