"""Import the legacy platform's documents into the bucket.

The id of each file is derived from its path: importing it again adds nothing, and what a killed run left unfinished is
done again.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal, NamedTuple
from uuid import UUID, uuid5

from asyncpg import UniqueViolationError

from files.actions.deps import FileDeps
from files.actions.uploads import store_file
from files.domain.content_types import SNIFF_BYTES, served_content_type, sniff_content_type
from files.domain.file_names import FileName, content_disposition
from files.domain.files import DeclaredContent, File, FileSubject, NewFile, Received, UploadExpired
from files.legacy.folder import LegacyFile
from files.store import legacy_sources, uploads
from switchboard.messaging.outbox.unit_of_work import open_work

NAMESPACE = UUID("5b1d3a52-6a6c-4b49-9b0e-0f7a8f5f4c11")  # of ids that are derived from paths

Result = Literal["added", "there", "deleted", "changed", "broken"]


class FileChanged(Exception):
    """The file changed while it was read."""


class ImportOutcome(NamedTuple):
    """The result of one file. `reason`: why it is broken or changed. `deleted`: imported once, and deleted since."""

    result: Result
    reason: str = ""


@dataclass(frozen=True)
class FileImporter:
    """Imports documents for a tenant, as uploads of one of its users."""

    deps: FileDeps
    tenant_id: UUID
    user_id: UUID
    dry_run: bool = False
    verify: bool = False

    async def import_file(self, source: LegacyFile) -> ImportOutcome:
        """Import one file. One that can't be read or has no valid name is broken."""
        try:
            name = source.name()
            digest = await asyncio.to_thread(source.digest)
        except (OSError, ValueError) as error:
            return ImportOutcome("broken", str(error))
        async with self.deps.database.connection() as conn:
            row = await legacy_sources.find_source(conn, self.tenant_id, source.path)
            if row is None and await legacy_sources.was_erased(conn, self.tenant_id, source.path):
                return ImportOutcome("deleted")
            if row is not None and row.state == "uploading" and not self.dry_run:
                extended = await uploads.extend_upload(conn, row.id, self.deps.upload_lifetime)
                row = row if extended else None
        if row is not None and row.state == "stored":
            return await self._compare(row, digest)
        if self.dry_run:
            return ImportOutcome("added")
        try:
            row = row or await self._add_row(source, name)
            await self._store(source, row, digest)
        except (FileChanged, UploadExpired, UniqueViolationError, OSError) as error:
            return ImportOutcome("broken", f"{str(error) or type(error).__name__}; migrate once more")
        return await self._compare(row, digest) if self.verify else ImportOutcome("added")

    async def _compare(self, row: File, digest: str) -> ImportOutcome:
        if row.sha256 is not None and row.sha256 != digest:
            return ImportOutcome("changed", "the folder has other bytes than were migrated")
        if self.verify and (reason := await self._verify(row, digest)):
            return ImportOutcome("broken", reason)
        return ImportOutcome("there" if row.state == "stored" else "added")

    async def _verify(self, row: File, digest: str) -> str:
        """Read the object back. Returns why it is broken, or nothing."""
        if await self.deps.bucket.find(row.key) is None:
            return "the bucket doesn't have it"
        stored = sha256()
        async with self.deps.bucket.read(row.key) as chunks:
            async for chunk in chunks:
                stored.update(chunk)
        return "" if stored.hexdigest() == digest else "the bucket has other bytes"

    async def _store(self, source: LegacyFile, row: File, digest: str) -> None:
        size = source.file.stat().st_size
        sent = sha256()
        await self.deps.bucket.put(
            row.key,
            _read(source, sent) if size else b"",
            size,
            content_type=served_content_type(row.content_type),
            disposition=content_disposition(row.name),
        )
        if sent.hexdigest() != digest:
            raise FileChanged("it changed while it was read")
        async with open_work(self.deps.database, tenant_id=self.tenant_id) as work:
            await store_file(row, Received(size, digest), work)

    async def _add_row(self, source: LegacyFile, name: FileName) -> File:
        subject = FileSubject(self.tenant_id, source.entity.type, source.entity.id)
        file_id = uuid5(NAMESPACE, f"{self.tenant_id}/{source.path}")
        new = NewFile.named(name, file_id, subject, self.user_id)
        head = next(source.chunks(), b"")[:SNIFF_BYTES]
        declared = DeclaredContent(0, sniff_content_type(head, name.extension))
        async with self.deps.database.connection() as conn:
            return await uploads.add_upload(
                conn, new, "uploading", declared, self.deps.upload_lifetime, source_path=source.path
            )


async def _read(source: LegacyFile, digest: Any) -> AsyncIterator[bytes]:
    chunks = source.chunks()
    while chunk := await asyncio.to_thread(next, chunks, b""):
        digest.update(chunk)
        yield chunk
