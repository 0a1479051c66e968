"""Stored documents: list, show, download, delete."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from aiohttp import web
from asyncpg import Connection

from files.actions.deletion import delete_file
from files.api.models import FileAnswer, FileDownloadAnswer, FilesQuery
from files.api.signed_urls import SignedUrls
from files.store import stored_files
from switchboard.contracts.files import FILE_PATH, FileUploaded
from switchboard.http import (
    InternalRoute,
    Page,
    PlainRoute,
    ReadRoute,
    Request,
    Route,
    WriteRoute,
    decode_cursor,
    page,
)
from switchboard.messaging.outbox.unit_of_work import Work
from switchboard.postgres.database import Database


@dataclass(frozen=True)
class Documents:
    """Stored documents of a tenant."""

    database: Database
    urls: SignedUrls

    def routes(self) -> list[Route]:
        one = "/api/v1/files/{id}"
        return [
            ReadRoute("GET", "/api/v1/files", self.list, query=FilesQuery, answer=Page[FileAnswer]),
            ReadRoute("GET", one, self.show, answer=FileDownloadAnswer),
            WriteRoute("DELETE", one, self.delete),
            PlainRoute("GET", f"{one}/content", self.download, answers=(302,)),
            InternalRoute("GET", FILE_PATH, self.find, answer=FileUploaded, callers=["conversations"]),
        ]

    async def list(self, request: Request, conn: Connection) -> Page[FileAnswer]:
        """List documents, newest first."""
        query: FilesQuery = request.query
        before = decode_cursor(query.cursor, datetime, UUID) if query.cursor else None
        found = await stored_files.list_stored(
            conn,
            request.identity.tenant_id,
            entity_type=query.entity_type,
            entity_id=query.entity_id,
            before=before,
            limit=query.limit + 1,
        )
        shown, cursor = page(found, query.limit, lambda file: (file.created_at, file.id))
        return Page(items=[FileAnswer.of(file) for file in shown], next_cursor=cursor)

    async def show(self, request: Request, conn: Connection) -> FileDownloadAnswer:
        """Show a document with a URL to download it."""
        file = await stored_files.get_stored(conn, request.uuid("id"), request.identity.tenant_id)
        url, expires_at = await self.urls.download(file, request)
        shown = FileAnswer.of(file).model_dump()
        return FileDownloadAnswer(**shown, download_url=url, download_url_expires_at=expires_at)

    async def find(self, request: Request, conn: Connection) -> FileUploaded:
        """Find a document for a service that has not consumed its `file.uploaded` yet."""
        return (await stored_files.get_stored(conn, request.uuid("id"), request.identity.tenant_id)).uploaded()

    async def delete(self, request: Request, work: Work) -> None:
        """Delete a document."""
        await delete_file(request.uuid("id"), request.identity.tenant_id, work)

    async def download(self, request: Request) -> web.Response:
        """Download a document: redirects to the store, where a browser saves it under its own name."""
        async with self.database.connection() as conn:
            file = await stored_files.get_stored(conn, request.uuid("id"), request.identity.tenant_id)
        url, _ = await self.urls.download(file, request, head=request.http.method == "HEAD")
        headers = {"Location": url, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
        return web.Response(status=302, headers=headers)
