"""Export documents to a folder as the legacy platform kept them."""

import asyncio
import csv
from hashlib import sha256
from pathlib import Path, PurePath
from uuid import UUID

from files.actions.deps import FileDeps
from files.domain.files import File
from files.store import legacy_sources

PAGE = 200
MAP = "map.csv"
MAX_FILE_NAME = 255 - len(".") - len(".part")  # bytes, the limit of file systems, less what a draft's name adds


async def list_documents(deps: FileDeps, tenant_id: UUID) -> list[tuple[File, str]]:
    """Every document of a tenant, with the path that it had in the legacy folder or would have had."""
    found: list[tuple[File, str]] = []
    after = UUID(int=0)
    while True:
        async with deps.database.connection() as conn:
            rows = await legacy_sources.list_for_export(conn, tenant_id, after, PAGE)
        found += [(file, source or legacy_file_name(file)) for file, source in rows]
        if len(rows) < PAGE:
            return found
        after = rows[-1][0].id


def legacy_file_name(file: File) -> str:
    """The legacy platform's file name, `{uuid}-{originalname}`, cut to what file systems allow."""
    extension = PurePath(file.key).suffix  # an accepted one, so it is short and part of the name
    base = file.name.removesuffix(extension)
    return f"{file.id}-{_cut(base, MAX_FILE_NAME - len(f'{file.id}-{extension}'))}{extension}"


def _cut(text: str, most: int) -> str:
    """At most this many bytes, without splitting a character."""
    return text.encode()[:most].decode(errors="ignore")


async def export_document(deps: FileDeps, file: File, path: str, folder: Path) -> str:
    """Write one document, unless a file with the right bytes exists. Raises `Unavailable`.

    Returns why it could not be exported, or nothing.
    """
    target = _inside(folder, path)
    if await asyncio.to_thread(_has_digest, target, file.sha256):
        return ""
    if await deps.bucket.find(file.key) is None:
        return "the bucket doesn't have it"
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.part")
    found = sha256()
    with draft.open("wb") as output:
        async with deps.bucket.read(file.key) as chunks:
            async for chunk in chunks:
                found.update(chunk)
                await asyncio.to_thread(output.write, chunk)
    if found.hexdigest() != file.sha256:
        draft.unlink()
        return "the bucket holds other bytes than were stored"
    draft.replace(target)
    return ""


def _has_digest(target: Path, digest: str | None) -> bool:
    return target.exists() and sha256(target.read_bytes()).hexdigest() == digest


def _inside(folder: Path, path: str) -> Path:
    """A path below the folder, whatever the row says."""
    target = (folder / path).resolve()
    return target if target.is_relative_to(folder.resolve()) else folder / Path(path).name


def write_map(folder: Path, documents: list[tuple[File, str]]) -> None:
    with (folder / MAP).open("w", newline="", encoding="utf-8") as output:
        writer = csv.writer(output)
        writer.writerow(["path", "entity_type", "entity_id"])
        writer.writerows((path, file.entity_type, file.entity_id) for file, path in documents)
