"""Documents: their states, their values, and the refusals that clients see."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from files.domain.file_names import FileName, document_key
from switchboard.contracts.files import FileDeleted, FileUploaded
from switchboard.runtime.refusals import Conflict, Invalid, TooLarge

# For pydantic, where `$` matches only the very end of the text.
ENTITY_TYPE = r"^[a-z_]{1,32}$"
ENTITY_ID = r"^[A-Za-z0-9_\-]{1,64}$"

State = Literal["uploading", "announced", "completing", "stored", "deleted"]


class FileTooLarge(TooLarge):
    """The file is larger than this server accepts."""


class UploadMismatch(Conflict):
    """The uploaded object is not what was announced. It has been removed."""

    code = "upload_mismatch"


class NothingUploaded(Conflict):
    """Nothing has been uploaded yet. Put the bytes at the signed URL first."""

    code = "nothing_uploaded"


class CompletionInProgress(Conflict):
    """This upload is being completed."""

    code = "in_progress"


class UploadExpired(Conflict):
    """This upload took too long and has been cancelled."""

    code = "upload_expired"


class BadForm(Invalid):
    """The form is not valid."""


@dataclass(frozen=True, slots=True)
class FileSubject:
    """The entity that a file belongs to, such as a lead."""

    tenant_id: UUID
    entity_type: str
    entity_id: str


@dataclass(frozen=True, slots=True)
class File:
    """A row of `files`. Until the state is `stored`, `size`, `content_type` and `sha256` are what was announced."""

    id: UUID
    tenant_id: UUID
    state: State
    name: str
    key: str
    size: int
    content_type: str
    sha256: str | None
    entity_type: str
    entity_id: str
    uploaded_by: UUID
    created_at: datetime
    expires_at: datetime | None

    def uploaded(self) -> FileUploaded:
        return FileUploaded(**self._facts())

    def deleted(self) -> FileDeleted:
        return FileDeleted(**self._facts())

    def _facts(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in FileUploaded.model_fields}


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file before its bytes arrive."""

    id: UUID
    subject: FileSubject
    name: str
    extension: str
    key: str
    uploaded_by: UUID

    @classmethod
    def named(cls, name: FileName, id: UUID, subject: FileSubject, uploaded_by: UUID) -> "NewFile":
        entity = f"{subject.tenant_id}/{subject.entity_type}/{subject.entity_id}"
        return cls(id, subject, str(name), name.extension, document_key(name, entity, id), uploaded_by)


@dataclass(frozen=True, slots=True)
class DeclaredContent:
    """The content of a file as declared before it is received. `size` is 0 when it is unknown."""

    size: int
    content_type: str
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Received:
    """The bytes that were received: their number and their SHA-256 in lower-case hex."""

    size: int
    sha256: str
