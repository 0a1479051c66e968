"""Uploads: a multipart form through this service, or a direct upload by a presigned URL."""

from dataclasses import dataclass

from aiohttp import web

from files.actions.deps import FileDeps
from files.actions.direct_uploads import announce_upload, complete_upload
from files.actions.uploads import FormUpload, upload_file
from files.api.models import FileAnswer, UploadAnnouncement, UploadAnswer, new_file
from files.api.multipart import open_form
from files.api.signed_urls import SignedUrls
from files.domain.files import (
    BadForm,
    CompletionInProgress,
    DeclaredContent,
    File,
    FileTooLarge,
    NothingUploaded,
    UploadExpired,
    UploadMismatch,
)
from files.metrics import UploadMetrics
from switchboard.http import PlainRoute, Request, Route, WriteRoute, idempotency
from switchboard.http.endpoints import to_json
from switchboard.http.idempotency import StoredAnswer
from switchboard.messaging.outbox.unit_of_work import Work

JSON = "application/json"
FORM = {
    "type": "object",
    "required": ["entity_type", "entity_id", "file"],
    "properties": {
        "entity_type": {"type": "string", "examples": ["lead"]},
        "entity_id": {"type": "string", "examples": ["42"]},
        "file": {"type": "string", "format": "binary"},
    },
}
FORM_OVERHEAD = 64 * 1024  # bytes of a multipart form besides the file, at most


@dataclass(frozen=True)
class Uploads:
    """Uploads of documents."""

    deps: FileDeps
    urls: SignedUrls
    metrics: UploadMetrics

    def routes(self) -> list[Route]:
        uploads = "/api/v1/files/uploads"
        refusals = (NothingUploaded, UploadMismatch, UploadExpired, CompletionInProgress)
        return [
            PlainRoute(
                "POST",
                "/api/v1/files",
                self.create,
                answer=FileAnswer,
                status=201,
                errors=(FileTooLarge, BadForm),
                uploads={"multipart/form-data": FORM},
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
        new = new_file(form.fields, form.file_name, request.identity)
        upload = FormUpload(new, form.chunks(), form.file_length, key)
        with self.metrics.upload():
            response = await upload_file(upload, self.deps, _created)
        return web.Response(body=response.body, status=response.status, content_type=JSON)

    async def announce(self, request: Request, work: Work) -> UploadAnswer:
        """Announce a document and get a URL to put it straight into the store."""
        body: UploadAnnouncement = request.body
        fields = {"entity_type": body.entity_type, "entity_id": body.entity_id}
        declared = DeclaredContent(body.size, body.content_type, body.sha256)
        new = new_file(fields, body.name, request.identity)
        file = await announce_upload(new, declared, self.deps, work)
        url, expires_at = await self.urls.upload(file, request)
        headers = {"Content-Type": body.content_type}
        return UploadAnswer(id=file.id, url=url, method="PUT", headers=headers, expires_at=expires_at)

    async def complete(self, request: Request) -> FileAnswer:
        """Complete an announced upload after its bytes were put."""
        with self.metrics.upload():
            return FileAnswer.of(await complete_upload(request.uuid("id"), request.identity.tenant_id, self.deps))


def _created(file: File) -> StoredAnswer:
    return StoredAnswer(201, to_json(FileAnswer.of(file)))
