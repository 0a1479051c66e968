"""CSV imports of contacts, and their reports line by line. For admins."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

import asyncpg
import orjson
from aiohttp import web
from pydantic import BaseModel
from uuid_utils.compat import uuid7

from conversations.actions.csv_import import import_contacts
from conversations.api.csv_streams import CHUNK, stream, uploaded_chunks
from conversations.domain.contacts import UnusableFile
from conversations.store import contact_imports as store
from switchboard.http import Page, PageQuery, PlainRoute, ReadRoute, Request, Route, decode_cursor, page
from switchboard.http.identity import Role
from switchboard.postgres.database import Database
from switchboard.replica.user_directory import UserDirectory
from switchboard.runtime.refusals import Malformed, NotFound, Refusal, TooLarge, UnsupportedMediaType

MAX_UPLOAD = 256 * 1024 * 1024


class RejectedLineAnswer(BaseModel):
    """A line that was not imported."""

    line: int
    reason: str


class ImportAnswer(BaseModel):
    """Counts of imported lines, and the rejected lines. Every line below the first is counted once."""

    id: UUID
    created: int
    updated: int
    unchanged: int
    rejected: list[RejectedLineAnswer]


class ImportReportAnswer(BaseModel):
    """An import. `finished_at` is null while it runs; `failure`: why it ended before the end of the file."""

    id: UUID
    created_at: datetime
    finished_at: datetime | None
    failure: str | None
    created: int
    updated: int
    unchanged: int
    rejected: int


class ImportedLineAnswer(BaseModel):
    """What became of a line. `phone`: of a line that was not rejected; `reason`: of one that was."""

    line: int
    outcome: Literal["created", "updated", "unchanged", "rejected"]
    phone: str | None
    reason: str | None


class LinesQuery(PageQuery):
    """`outcome`: only lines with this outcome."""

    outcome: Literal["created", "updated", "unchanged", "rejected"] | None = None


@dataclass(frozen=True)
class ContactImports:
    """Imports of the tenant's contacts. `region`: of phones without a country code."""

    database: Database
    region: str
    users: UserDirectory

    def routes(self) -> list[Route]:
        base, one = "/api/v1/contacts/import", "/api/v1/contacts/imports/{id}"
        lines = Page[ImportedLineAnswer]
        return [
            PlainRoute(
                "POST",
                base,
                self.create,
                answer=ImportAnswer,
                role=Role.ADMIN,
                errors=(UnusableFile, UnsupportedMediaType, Malformed, TooLarge),
                max_body=MAX_UPLOAD,
            ),
            ReadRoute("GET", one, self.get, answer=ImportReportAnswer, role=Role.ADMIN),
            ReadRoute("GET", f"{one}/lines", self.list_lines, query=LinesQuery, answer=lines, role=Role.ADMIN),
        ]

    async def create(self, request: Request) -> web.StreamResponse:
        """Import contacts from a CSV file: columns phone, name, tags (separated by `;`), owner_id, opted_out."""

        async def is_user(user_id: UUID) -> bool:
            return await self.users.ask_auth(request, user_id) is not None

        tenant_id, import_id, chunks = request.identity.tenant_id, uuid7(), uploaded_chunks(request.http)
        try:
            report = await import_contacts(self.database, tenant_id, chunks, self.region, import_id, is_user)
        except Refusal as refusal:
            async with self.database.connection() as conn:
                found = await store.find_import(conn, tenant_id, import_id)
            if found is not None:
                refusal.detail += f" {found.created} contacts were created and {found.updated} updated before"
                refusal.detail += f" (import {import_id})."
            raise
        return await stream(request.http, self._json(report), "application/json")

    async def get(self, request: Request, conn: asyncpg.Connection) -> ImportReportAnswer:
        """Get an import, also one that was interrupted or still runs. Kept for 30 days."""
        return ImportReportAnswer.model_validate(await self._find(request, conn), from_attributes=True)

    async def list_lines(self, request: Request, conn: asyncpg.Connection) -> Page[ImportedLineAnswer]:
        """List the lines of an import with what became of each, in the order of the file."""
        query: LinesQuery = request.query
        found = await self._find(request, conn)
        (after,) = decode_cursor(query.cursor, int) if query.cursor else (0,)
        rows = await store.list_lines(conn, found.id, after=after, outcome=query.outcome, limit=query.limit + 1)
        shown, cursor = page(rows, query.limit, lambda last: (last.line,))
        return Page(
            items=[ImportedLineAnswer.model_validate(each, from_attributes=True) for each in shown], next_cursor=cursor
        )

    async def _find(self, request: Request, conn: asyncpg.Connection) -> store.ContactImport:
        found = await store.find_import(conn, request.identity.tenant_id, request.uuid("id"))
        if found is None:
            raise NotFound
        return found

    async def _json(self, report: store.ContactImport) -> AsyncIterator[bytes]:
        """The `ImportAnswer`, with the rejected lines as they are read."""
        counts = f'"created":{report.created},"updated":{report.updated},"unchanged":{report.unchanged}'
        yield f'{{"id":"{report.id}",{counts},"rejected":['.encode()
        piece = bytearray()
        separator = b""
        async with self.database.connection() as conn:
            async for line, reason in store.stream_rejected(conn, report.id):
                piece += separator + orjson.dumps({"line": line, "reason": reason})
                separator = b","
                if len(piece) >= CHUNK:
                    yield bytes(piece)
                    piece.clear()
        yield bytes(piece) + b"]}"
