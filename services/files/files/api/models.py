"""Request and response models."""

from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, ValidationError
from uuid_utils.compat import uuid7

from files.domain.content_families import BINARY
from files.domain.file_names import parse_file_name
from files.domain.files import ENTITY_ID, ENTITY_TYPE, BadForm, File, FileSubject, NewFile
from switchboard.http import Body, Moment, PageQuery
from switchboard.http.identity import Identity
from switchboard.http.parsing import errors_of

EntityType = Annotated[str, Field(pattern=ENTITY_TYPE)]
NAME_PART = r"[A-Za-z0-9!#$&^_.+-]{1,100}"
PARAMETER = rf'[ \t]*;[ \t]*{NAME_PART}=({NAME_PART}|"[ !#-\[\]-~]{{0,100}}")'
CONTENT_TYPE = rf"^({NAME_PART}/{NAME_PART}({PARAMETER}){{0,5}}[ \t]*;?[ \t]*)?$"
ContentType = Annotated[str, Field(pattern=CONTENT_TYPE, max_length=255), AfterValidator(lambda text: text or BINARY)]
"""A media type with its parameters. Browsers give an empty one for files that their system does not know: binary."""
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

    @classmethod
    def of(cls, file: File) -> "FileAnswer":
        """The answer for a stored file."""
        return FileAnswer(**{name: getattr(file, name) for name in FileAnswer.model_fields})


class FileDownloadAnswer(FileAnswer):
    """A document with a URL that serves its bytes until the URL expires."""

    download_url: str
    download_url_expires_at: Moment


class UploadAnswer(BaseModel):
    """Where to put the announced bytes: exactly as many, with these headers. Then complete the upload."""

    id: UUID
    url: str
    method: str
    headers: dict[str, str]
    expires_at: Moment


class UploadAnnouncement(Body):
    """The document that is going to be uploaded. `sha256` is checked if it is given."""

    name: Annotated[str, Field(min_length=1)]
    size: Annotated[int, Field(ge=0)]
    content_type: ContentType
    entity_type: EntityType
    entity_id: EntityId
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None


class EntityFields(Body):
    """The fields of a multipart form that name the entity of the document."""

    entity_type: EntityType
    entity_id: EntityId


class FilesQuery(PageQuery):
    """Filters of the list."""

    entity_type: EntityType | None = None
    entity_id: EntityId | None = None


def new_file(fields: dict[str, str], file_name: str, identity: Identity) -> NewFile:
    """The file that an upload is going to make. Raises `BadForm`."""
    try:
        entity = EntityFields.model_validate(fields)
    except ValidationError as error:
        raise BadForm(errors=errors_of(error, "body")) from None
    try:
        name = parse_file_name(file_name)
    except ValueError as error:
        raise BadForm.field(str(error), "body", "name") from None
    subject = FileSubject(identity.tenant_id, entity.entity_type, entity.entity_id)
    return NewFile.named(name, uuid7(), subject, identity.user_id)
