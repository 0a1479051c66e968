"""What a file is to us, and what we refuse."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from files.domain.file_names import Name
from switchboard.contracts.files import FileDeleted, FileUploaded
from switchboard.runtime.refusals import Conflict, Invalid, TooLarge

# For pydantic, whose `$` is the very end.
ENTITY_TYPE = r"^[a-z_]{1,32}$"
ENTITY_ID = r"^[A-Za-z0-9_\-]{1,64}$"

State = Literal["uploading", "announced", "completing", "stored", "deleted"]


class FileTooLarge(TooLarge):
    """The file is larger than this server takes."""


class Mismatch(Conflict):
    """The uploaded object is not what was announced. It has been removed."""

    code = "upload_mismatch"


class NothingUploaded(Conflict):
    """Nothing was uploaded yet: put the bytes at the signed URL first."""

    code = "nothing_uploaded"


class BeingCompleted(Conflict):
    """This upload is being completed."""

    code = "in_progress"


class UploadExpired(Conflict):
    """This upload took too long and was given up."""

    code = "upload_expired"


class BadForm(Invalid):
    """The form is not valid."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a file belongs to."""

    tenant_id: UUID
    entity_type: str
    entity_id: str


@dataclass(frozen=True, slots=True)
class File:
    """A row. Until it is stored, `size`, `content_type` and `sha256` are what was announced."""

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
        """The event that it is there."""
        return FileUploaded(**self._facts())

    def removed(self) -> FileDeleted:
        """The event that it is gone."""
        return FileDeleted(**self._facts())

    def _facts(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in FileUploaded.model_fields}


@dataclass(frozen=True, slots=True)
class Arriving:
    """A file of which we know all but its bytes."""

    id: UUID
    place: Place
    name: Name
    uploaded_by: UUID


@dataclass(frozen=True, slots=True)
class Received:
    """What arrived, as we counted it."""

    size: int
    sha256: str
