"""The original's files into the bucket. Each has an id and a row by its path: doing it again adds nothing, and what a
killed run left half done is done again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal
from uuid import UUID, uuid5

from asyncpg import UniqueViolationError

from files.actions.deps import Desk
from files.actions.uploads import store_file
from files.domain.content_types import ENOUGH, kind_of, served_as
from files.domain.file_names import disposition, key_of
from files.domain.files import File, Received, UploadExpired
from files.legacy.folder import Original
from files.store import files as store
from switchboard.messaging.outbox.unit_of_work import open_work

NAMESPACE = UUID("5b1d3a52-6a6c-4b49-9b0e-0f7a8f5f4c11")  # of ids made from paths

Result = Literal["added", "there", "deleted", "changed", "broken"]


class Changing(Exception):
    """Somebody writes to the file."""


@dataclass(frozen=True)
class Outcome:
    """What became of one file. `reason` says why it is broken, or what differs. `deleted`: it was migrated once, and
    its users have deleted it since."""

    original: Original
    result: Result
    reason: str = ""


@dataclass(frozen=True)
class Importer:
    """Whose the documents will be."""

    desk: Desk
    tenant_id: UUID
    user_id: UUID
    dry_run: bool = False
    verify: bool = False

    async def take_all(self, originals: list[Original], workers: int, tell: Callable[[Outcome], None]) -> None:
        """Each file, so many at once."""
        waiting = iter(originals)

        async def work() -> None:
            for original in waiting:
                tell(await self.take(original))

        async with asyncio.TaskGroup() as tasks:
            for _ in range(workers):
                tasks.create_task(work())

    async def take(self, original: Original) -> Outcome:
        """One file. A file that can't be read, or has no name for us, is told of."""
        try:
            digest = await asyncio.to_thread(original.digest)
            name = original.name()
        except (OSError, ValueError) as trouble:
            return Outcome(original, "broken", str(trouble))
        async with self.desk.database.connection() as conn:
            row = await store.find_source(conn, self.tenant_id, original.path)
            if row is None and await store.was_erased(conn, self.tenant_id, original.path):
                return Outcome(original, "deleted")
            if row is not None and row.state == "uploading" and not self.dry_run:
                going_on = await store.prolong(conn, row.id, self.desk.upload_lifetime)
                row = row if going_on else None
        if row is not None and row.state == "stored":
            return await self._compare(original, row, digest)
        if self.dry_run:
            return Outcome(original, "added")
        try:
            row = row or await self._add_row(original, str(name))
            await self._store(original, row, digest)
        except (Changing, UploadExpired, UniqueViolationError) as trouble:
            return Outcome(original, "broken", f"{str(trouble) or type(trouble).__name__}; migrate once more")
        return await self._compare(original, row, digest) if self.verify else Outcome(original, "added")

    async def _compare(self, original: Original, row: File, digest: str) -> Outcome:
        if row.sha256 is not None and row.sha256 != digest:
            return Outcome(original, "changed", "the folder has other bytes than were migrated")
        if self.verify and (trouble := await self._verify(row, digest)):
            return Outcome(original, "broken", trouble)
        return Outcome(original, "there" if row.state == "stored" else "added")

    async def _verify(self, row: File, digest: str) -> str:
        """What is wrong with what the bucket has, if anything."""
        if await self.desk.bucket.find(row.key) is None:
            return "the bucket doesn't have it"
        stored = sha256()
        async with self.desk.bucket.read(row.key) as chunks:
            async for chunk in chunks:
                stored.update(chunk)
        return "" if stored.hexdigest() == digest else "the bucket has other bytes"

    async def _store(self, original: Original, row: File, digest: str) -> None:
        size = original.file.stat().st_size
        sent = sha256()
        await self.desk.bucket.put(
            row.key,
            _read(original, sent) if size else b"",
            size,
            content_type=served_as(row.content_type),
            disposition=disposition(row.name),
        )
        if sent.hexdigest() != digest:
            raise Changing("it changed while it was read")
        async with open_work(self.desk.database, tenant_id=self.tenant_id) as work:
            await store_file(row, Received(size, digest), work)

    async def _add_row(self, original: Original, name: str) -> File:
        id = uuid5(NAMESPACE, f"{self.tenant_id}/{original.path}")  # noqa: A001
        head = next(original.chunks(), b"")[:ENOUGH]
        parts = original.name()
        async with self.desk.database.connection() as conn:
            return await store.add_file(
                conn,
                id=id,
                tenant_id=self.tenant_id,
                state="uploading",
                name=name,
                key=key_of(
                    parts,
                    tenant_id=self.tenant_id,
                    entity_type=original.entity.type,
                    entity_id=original.entity.id,
                    unique=id,
                ),
                size=0,
                content_type=kind_of(head, parts.extension),
                sha256=None,
                entity_type=original.entity.type,
                entity_id=original.entity.id,
                uploaded_by=self.user_id,
                lifetime=self.desk.upload_lifetime,
                source_path=original.path,
            )


async def _read(original: Original, digest: Any) -> AsyncIterator[bytes]:
    chunks = original.chunks()
    while chunk := await asyncio.to_thread(next, chunks, b""):
        digest.update(chunk)
        yield chunk
