"""The original's files into the bucket. Each has an id and a row by its path: doing it again adds nothing, and what a
killed run left half done is done again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal
from uuid import UUID, uuid5

from files import store
from files.actions.desk import Desk
from files.actions.uploads import store_file
from files.domain import File, Received
from files.kinds import ENOUGH, kind_of, served_as
from files.names import disposition, key_of
from files.original.folder import Original
from switchboard.messaging.work import open_work

NAMESPACE = UUID("5b1d3a52-6a6c-4b49-9b0e-0f7a8f5f4c11")  # of ids made from paths

Result = Literal["added", "there", "changed", "broken"]


@dataclass(frozen=True)
class Outcome:
    """What became of one file. `reason` says why it is broken, or what differs."""

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
        if row is not None and row.state == "stored":
            return await self._compare(original, row, digest)
        if self.dry_run:
            return Outcome(original, "added")
        row = row or await self._add_row(original, str(name))
        await self._store(original, row, digest)
        return await self._compare(original, row, digest) if self.verify else Outcome(original, "added")

    async def _compare(self, original: Original, row: File, digest: str) -> Outcome:
        if row.sha256 is not None and row.sha256 != digest:
            return Outcome(original, "changed", "the folder has other bytes than were migrated")
        if self.verify:
            stored = sha256()
            async with self.desk.bucket.read(row.key) as chunks:
                async for chunk in chunks:
                    stored.update(chunk)
            if stored.hexdigest() != digest:
                return Outcome(original, "broken", "the bucket has other bytes")
        return Outcome(original, "there" if row.state == "stored" else "added")

    async def _store(self, original: Original, row: File, digest: str) -> None:
        size = original.file.stat().st_size
        await self.desk.bucket.put(
            row.key,
            _read(original) if size else b"",
            size,
            content_type=served_as(row.content_type),
            disposition=disposition(row.name),
        )
        async with open_work(self.desk.database, tenant_id=self.tenant_id) as work:
            await store.prolong(work.conn, row.id, self.desk.upload_lifetime)
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


async def _read(original: Original) -> AsyncIterator[bytes]:
    chunks = original.chunks()
    while chunk := await asyncio.to_thread(next, chunks, b""):
        yield chunk
