"""The routes of files."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from typing import Annotated
from urllib.parse import urlsplit
from uuid import UUID

from aiohttp import web
from asyncpg import Connection
from pydantic import BaseModel, Field, ValidationError
from uuid_utils.compat import uuid7

from files.actions.deletion import delete_file
from files.actions.deps import Desk
from files.actions.direct import announce_upload, complete_upload
from files.actions.uploads import discard, receive_file, store_file
from files.adapters.receiving import Incoming
from files.api.multipart import form_of
from files.domain.file_names import incoming_key, read_name
from files.domain.files import (
    ENTITY_ID,
    ENTITY_TYPE,
    Arriving,
    BadForm,
    BeingCompleted,
    File,
    FileTooLarge,
    Mismatch,
    NothingUploaded,
    Place,
    Received,
    UploadExpired,
)
from files.store import files as store
from switchboard.contracts.files import FILE_PATH, FileUploaded
from switchboard.http import (
    Body,
    InternalRoute,
    Moment,
    Page,
    PageQuery,
    PlainRoute,
    ReadRoute,
    Request,
    Route,
    WriteRoute,
    decode_cursor,
    idempotency,
    page,
)
from switchboard.http.endpoints import to_json
from switchboard.http.idempotency import Attempt, Stored
from switchboard.http.parsing import errors_of
from switchboard.messaging.outbox.unit_of_work import Work, open_work
from switchboard.runtime.refusals import Refusal

JSON = "application/json"
FORM_OVERHEAD = 64 * 1024  # of a multipart form, at most

EntityType = Annotated[str, Field(pattern=ENTITY_TYPE)]
EntityId = Annotated[str, Field(pattern=ENTITY_ID)]


class FileAnswer(BaseModel):
    """A document. `size` in bytes, `sha256` in lower-case hex."""

    id: UUID
    name: str
    key: str
    size: int
    content_type: str
    sha256: str
    entity_type: str
    entity_id: str
    uploaded_by: UUID
    created_at: Moment


class FileWithUrl(FileAnswer):
    """A document, and where its bytes can be had for a while."""

    download_url: str
    download_url_expires_at: Moment


class UploadAnswer(BaseModel):
    """Put the bytes there, just so many and with these headers, then complete the upload."""

    id: UUID
    url: str
    method: str
    headers: dict[str, str]
    expires_at: Moment


class NewUpload(Body):
    """What is going to be uploaded. `sha256` is checked if it is given."""

    name: Annotated[str, Field(min_length=1)]
    size: Annotated[int, Field(ge=0)]
    content_type: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.+-]{1,100}/[A-Za-z0-9_.+-]{1,100}$")]
    entity_type: EntityType
    entity_id: EntityId
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None


class FilesQuery(PageQuery):
    """Which documents."""

    entity_type: EntityType | None = None
    entity_id: EntityId | None = None


class _Where(Body):
    entity_type: EntityType
    entity_id: EntityId


def routes(desk: Desk) -> list[Route]:
    """The table. All documents are the tenant's: any of its users may read, add and delete them."""
    uploads = "/api/v1/files/uploads"
    one = "/api/v1/files/{id}"
    refusals = (NothingUploaded, Mismatch, UploadExpired, BeingCompleted)
    return [
        PlainRoute("POST", "/api/v1/files", partial(upload, desk=desk), answer=FileAnswer, status=201,
              summary="Upload a document as a multipart form: entity_type, entity_id, then file",
              errors=(FileTooLarge, BadForm)),
        WriteRoute("POST", uploads, partial(announce, desk=desk), body=NewUpload, answer=UploadAnswer, status=201,
               summary="Announce a document, to be put straight into the store", errors=(FileTooLarge,)),
        PlainRoute("POST", uploads + "/{id}/complete", partial(complete, desk=desk), answer=FileAnswer, status=201,
              summary="The announced document has been put there", errors=refusals),
        ReadRoute("GET", "/api/v1/files", list_files, query=FilesQuery, answer=Page[FileAnswer],
              summary="Documents, newest first"),
        ReadRoute("GET", one, partial(show, desk=desk), answer=FileWithUrl,
              summary="One document, with a URL to download it"),
        WriteRoute("DELETE", one, remove, summary="Delete a document"),
        PlainRoute("GET", one + "/content", partial(content, desk=desk), answers=(302,), summary="Download a document"),
        InternalRoute("GET", FILE_PATH, publish_for, answer=FileUploaded, callers=["conversations"]),
    ]  # fmt: skip


async def upload(request: Request, desk: Desk) -> web.Response:
    """Stream a form's file into the bucket."""
    http, who = request.http, request.identity
    if (http.content_length or 0) > desk.limit + FORM_OVERHEAD:
        raise FileTooLarge
    key = idempotency.read_key(http.headers.get(idempotency.HEADER))
    form = form_of(http)
    arriving = _arriving(await form.fields("entity_type", "entity_id"), form.file_name(), request)
    announced = await form.announced()
    row, received = await receive_file(arriving, Incoming(form.chunks(), desk.limit), announced, desk)
    attempt = (
        Attempt(who.tenant_id, who.user_id, "POST /api/v1/files", key, _fingerprint(row, received)) if key else None
    )
    try:
        async with open_work(desk.database, tenant_id=who.tenant_id) as work:
            answer, is_new = await _settle(row, received, attempt, work)
    except Refusal:
        await discard(row, desk)
        raise
    if not is_new:
        await discard(row, desk)
    return web.Response(body=answer.body, status=answer.status, content_type=JSON)


async def _settle(row: File, received: Received, attempt: Attempt | None, work: Work) -> tuple[Stored, bool]:
    """The answer of this upload, or of an earlier one with the same key and content; and whether it is new."""
    earlier = await idempotency.claim(work.conn, attempt) if attempt else None
    if earlier is not None:
        return earlier, False
    answer = Stored(201, to_json(_answer(await store_file(row, received, work))))
    if attempt is not None:
        await idempotency.settle(work.conn, attempt, answer)
    return answer, True


async def announce(request: Request, work: Work, desk: Desk) -> UploadAnswer:
    """Sign a URL for just this upload."""
    new: NewUpload = request.body
    fields = {"entity_type": new.entity_type, "entity_id": new.entity_id}
    row = await announce_upload(
        _arriving(fields, new.name, request),
        size=new.size,
        content_type=new.content_type,
        sha256=new.sha256,
        desk=desk,
        work=work,
    )
    url = await desk.bucket.signed_upload(
        incoming_key(row.id),
        size=new.size,
        content_type=new.content_type,
        seconds=int(desk.upload_lifetime.total_seconds()),
    )
    expires = datetime.now(UTC) + desk.upload_lifetime
    return UploadAnswer(
        id=row.id,
        url=_reachable(url, request, desk),
        method="PUT",
        headers={"Content-Type": new.content_type},
        expires_at=expires,
    )


async def complete(request: Request, desk: Desk) -> FileAnswer:
    """Take an announced upload over."""
    return _answer(await complete_upload(request.uuid("id"), request.identity.tenant_id, desk))


async def list_files(request: Request, conn: Connection) -> Page[FileAnswer]:
    """A page of the tenant's documents."""
    query: FilesQuery = request.query
    before = decode_cursor(query.cursor, datetime, UUID) if query.cursor else None
    found = await store.list_files(
        conn,
        request.identity.tenant_id,
        entity_type=query.entity_type,
        entity_id=query.entity_id,
        before=before,
        limit=query.limit + 1,
    )
    shown, cursor = page(found, query.limit, lambda file: (file.created_at, file.id))
    return Page(items=[_answer(file) for file in shown], next_cursor=cursor)


async def show(request: Request, conn: Connection, desk: Desk) -> FileWithUrl:
    """One document."""
    file = await store.get_stored(conn, request.uuid("id"), request.identity.tenant_id)
    expires = datetime.now(UTC) + desk.download_lifetime
    url = await _download_url(file, request, desk)
    return FileWithUrl(**_answer(file).model_dump(), download_url=url, download_url_expires_at=expires)


async def publish_for(request: Request, conn: Connection) -> FileUploaded:
    """One document, for who hasn't heard of it yet."""
    return (await store.get_stored(conn, request.uuid("id"), request.identity.tenant_id)).uploaded()


async def remove(request: Request, work: Work) -> None:
    """Delete one document."""
    await delete_file(request.uuid("id"), request.identity.tenant_id, work)


async def content(request: Request, desk: Desk) -> web.Response:
    """Send the browser to the store, which lets it save the document under its own name."""
    async with desk.database.connection() as conn:
        file = await store.get_stored(conn, request.uuid("id"), request.identity.tenant_id)
    url = await _download_url(file, request, desk)
    headers = {"Location": url, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
    return web.Response(status=302, headers=headers)


async def _download_url(file: File, request: Request, desk: Desk) -> str:
    url = await desk.bucket.signed_download(file.key, int(desk.download_lifetime.total_seconds()))
    return url if desk.bucket.has_network else _reachable(url, request, desk)


def _reachable(url: str, request: Request, desk: Desk) -> str:
    """A signed URL as the client can use it. The gateway that was asked says what it is called."""
    headers = request.http.headers
    host = headers.get("X-Forwarded-Host")
    if not desk.through_gateway or not host:
        return url
    signed = urlsplit(url)
    return f"{headers.get('X-Forwarded-Proto', 'http')}://{host}/s3{signed.path}?{signed.query}"


def _arriving(fields: dict[str, str], file_name: str, request: Request) -> Arriving:
    try:
        where = _Where.model_validate(fields)
    except ValidationError as error:
        raise BadForm(errors=errors_of(error, "body")) from None
    try:
        name = read_name(file_name)
    except ValueError as error:
        raise BadForm.field(str(error), "body", "name") from None
    place = Place(request.identity.tenant_id, where.entity_type, where.entity_id)
    return Arriving(uuid7(), place, name, request.identity.user_id)


def _fingerprint(row: File, received: Received) -> bytes:
    same = "\n".join((row.name, row.entity_type, row.entity_id, received.sha256))
    return sha256(same.encode()).digest()


def _answer(file: File) -> FileAnswer:
    return FileAnswer(**{name: getattr(file, name) for name in FileAnswer.model_fields})
