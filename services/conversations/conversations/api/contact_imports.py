"""CSV imports of contacts, and their reports line by line. For admins."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import asyncpg
import orjson
from aiohttp import web
from pydantic import AfterValidator, BaseModel, Field
from uuid_utils.compat import uuid7

from conversations.actions.csv_import import import_contacts, read_beginning
from conversations.api.csv_streams import CHUNK, stream, uploaded_chunks
from conversations.domain.contact_columns import ColumnMapping, map_columns
from conversations.domain.contacts import UnusableFile
from conversations.store import contact_imports as store
from switchboard.http import Body, Page, PageQuery, PlainRoute, ReadRoute, Request, Route, decode_cursor, page
from switchboard.http.identity import Role
from switchboard.postgres.database import Database
from switchboard.replica.user_directory import UserDirectory
from switchboard.runtime.refusals import Malformed, NotFound, Refusal, TooLarge, UnsupportedMediaType

MAX_UPLOAD = 256 * 1024 * 1024
UPLOADS: dict[str, dict[str, Any]] = {
    "text/csv": {"type": "string", "examples": ["phone,name\r\n+14155550100,Ann\r\n"]},
    "multipart/form-data": {
        "type": "object",
        "required": ["file"],
        "properties": {"file": {"type": "string", "format": "binary"}},
    },
}
PREVIEWED_LINES = 5
TEMPLATE = "phone,name,tags,owner_id,opted_out\r\n+14155550100,Ann Example,vip;spring,,no\r\n"


def _fields_by_column(text: str) -> str:
    try:
        parsed = orjson.loads(text)
    except orjson.JSONDecodeError:
        parsed = None
    if not isinstance(parsed, dict) or not all(isinstance(field, str) for field in parsed.values()):
        raise ValueError("must be a JSON object from columns to fields")
    return text


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


class ImportQuery(Body):
    """`columns`: fields by column, as JSON (`{"Phone 1 - Value": "phone"}`), besides those that are found.

    `unknown`: whether a column that is no field refuses the file or is left out. By default it is refused in a file
    with our own columns alone, and left out of another program's.
    """

    columns: Annotated[str, Field(max_length=10_000), AfterValidator(_fields_by_column)] | None = None
    unknown: Literal["refuse", "ignore"] | None = None

    def map_header(self, header: Sequence[str]) -> ColumnMapping:
        """The fields of the columns. Raises `UnusableFile`."""
        return map_columns(header, orjson.loads(self.columns) if self.columns else None, self.unknown)


class MappedColumnAnswer(BaseModel):
    """A column, and the field that it becomes; null: it is left out."""

    column: str
    field: str | None


class PreviewAnswer(BaseModel):
    """What an import would read: its columns, and the fields of its first lines."""

    columns: list[MappedColumnAnswer]
    lines: list[dict[str, str]]


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
            PlainRoute("GET", f"{base}/template", self.template),
            PlainRoute(
                "POST",
                f"{base}/preview",
                self.preview,
                query=ImportQuery,
                answer=PreviewAnswer,
                role=Role.ADMIN,
                errors=(UnusableFile, UnsupportedMediaType, Malformed, TooLarge),
                max_body=MAX_UPLOAD,
                uploads=UPLOADS,
            ),
            PlainRoute(
                "POST",
                base,
                self.create,
                query=ImportQuery,
                answer=ImportAnswer,
                role=Role.ADMIN,
                errors=(UnusableFile, UnsupportedMediaType, Malformed, TooLarge),
                max_body=MAX_UPLOAD,
                uploads=UPLOADS,
            ),
            ReadRoute("GET", one, self.get, answer=ImportReportAnswer, role=Role.ADMIN),
            ReadRoute("GET", f"{one}/lines", self.list_lines, query=LinesQuery, answer=lines, role=Role.ADMIN),
        ]

    async def create(self, request: Request) -> web.StreamResponse:
        """Import contacts from a CSV file: columns phone, name, tags (separated by `;`), owner_id, opted_out.

        Exports of Google Contacts, Outlook, HubSpot and Salesforce are understood as they are. Of several numbers a
        mobile one is taken, else the first.
        """
        query: ImportQuery = request.query

        async def is_user(user_id: UUID) -> bool:
            return await self.users.ask_auth(request, user_id) is not None

        tenant_id, import_id, chunks = request.identity.tenant_id, uuid7(), uploaded_chunks(request.http)
        try:
            report = await import_contacts(
                self.database, tenant_id, chunks, self.region, import_id, is_user, query.map_header
            )
        except Refusal as refusal:
            async with self.database.connection() as conn:
                found = await store.find_import(conn, tenant_id, import_id)
            if found is not None:
                refusal.detail += f" {found.created} contacts were created and {found.updated} updated before"
                refusal.detail += f" (import {import_id})."
            raise
        return await stream(request.http, self._json(report), "application/json")

    async def preview(self, request: Request) -> PreviewAnswer:
        """Show which column would become which field, and the first lines. Nothing is stored."""
        query: ImportQuery = request.query
        mapping, lines = await read_beginning(uploaded_chunks(request.http), query.map_header, PREVIEWED_LINES)
        columns = [MappedColumnAnswer(column=each.name, field=each.field) for each in mapping.columns]
        return PreviewAnswer(columns=columns, lines=lines)

    async def template(self, _request: Request) -> web.Response:
        """Get a CSV file to fill in."""
        headers = {"Content-Disposition": 'attachment; filename="contacts.csv"'}
        return web.Response(body=TEMPLATE.encode(), content_type="text/csv", charset="utf-8", headers=headers)

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
