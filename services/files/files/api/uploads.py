"""Uploads: a multipart form through this service, or a direct upload by a presigned URL."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web
from pydantic import ValidationError
from uuid_utils.compat import uuid7

from files.actions.deps import FileDeps
from files.actions.direct_uploads import announce_upload, complete_upload
from files.actions.uploads import FormUpload, upload_file
from files.adapters.upload_stream import UploadStream
from files.api.models import EntityFields, FileAnswer, UploadAnnouncement, UploadAnswer
from files.api.multipart import open_form
from files.api.signed_urls import SignedUrls
from files.domain.file_names import parse_file_name
from files.domain.files import (
    BadForm,
    CompletionInProgress,
    DeclaredContent,
    File,
    FileSubject,
    FileTooLarge,
    NewFile,
    NothingUploaded,
    UploadExpired,
    UploadMismatch,
)
from switchboard.http import PlainRoute, Request, Route, WriteRoute, idempotency
from switchboard.http.endpoints import to_json
from switchboard.http.idempotency import Stored
from switchboard.http.parsing import errors_of
from switchboard.messaging.outbox.unit_of_work import Work

JSON = "application/json"
FORM_OVERHEAD = 64 * 1024  # bytes of a multipart form besides the file, at most


@dataclass(frozen=True)
class Uploads:
    """Uploads of documents."""

    deps: FileDeps
    urls: SignedUrls

    def routes(self) -> list[Route]:
        uploads = "/api/v1/files/uploads"
        refusals = (NothingUploaded, UploadMismatch, UploadExpired, CompletionInProgress)
        return [
            PlainRoute(
                "POST", "/api/v1/files", self.create, answer=FileAnswer, status=201, errors=(FileTooLarge, BadForm)
            ),
            WriteRoute(
                "POST",
                uploads,
                self.announce,
                body=UploadAnnouncement,
                answer=UploadAnswer,
                status=201,
                errors=(FileTooLarge,),
            ),
            PlainRoute(
                "POST", uploads + "/{id}/complete", self.complete, answer=FileAnswer, status=201, errors=refusals
            ),
        ]

    async def create(self, request: Request) -> web.Response:
        """Upload a document as a multipart form: entity_type, entity_id, then file."""
        http = request.http
        if (http.content_length or 0) > self.deps.max_upload_bytes + FORM_OVERHEAD:
            raise FileTooLarge
        key = idempotency.read_key(http.headers.get(idempotency.HEADER))
        form = await open_form(http, "entity_type", "entity_id")
        new = _new_file(form.fields, form.file_name, request)
        stream = UploadStream(form.chunks(), self.deps.max_upload_bytes)
        response = await upload_file(FormUpload(new, stream, form.file_length, key), self.deps, _created)
        return web.Response(body=response.body, status=response.status, content_type=JSON)

    async def announce(self, request: Request, work: Work) -> UploadAnswer:
        """Announce a document and get a URL to put it straight into the store."""
        body: UploadAnnouncement = request.body
        fields = {"entity_type": body.entity_type, "entity_id": body.entity_id}
        declared = DeclaredContent(body.size, body.content_type, body.sha256)
        file = await announce_upload(_new_file(fields, body.name, request), declared, self.deps, work)
        url, expires_at = await self.urls.upload(file, request)
        headers = {"Content-Type": body.content_type}
        return UploadAnswer(id=file.id, url=url, method="PUT", headers=headers, expires_at=expires_at)

    async def complete(self, request: Request) -> FileAnswer:
        """Complete an announced upload after its bytes were put."""
        return FileAnswer.of(await complete_upload(request.uuid("id"), request.identity.tenant_id, self.deps))


def _new_file(fields: dict[str, str], file_name: str, request: Request) -> NewFile:
    try:
        entity = EntityFields.model_validate(fields)
    except ValidationError as error:
        raise BadForm(errors=errors_of(error, "body")) from None
    try:
        name = parse_file_name(file_name)
    except ValueError as error:
        raise BadForm.field(str(error), "body", "name") from None
    identity = request.identity
    subject = FileSubject(identity.tenant_id, entity.entity_type, entity.entity_id)
    return NewFile(uuid7(), subject, name, identity.user_id)


def _created(file: File) -> Stored:
    return Stored(201, to_json(FileAnswer.of(file)))
