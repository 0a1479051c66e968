"""Events and commands of `files`: documents."""

from uuid import UUID

from switchboard.contracts.message import Command, Event, Moment

FILE_PATH = "/internal/files/{id}"
"""Internal path of one document, for conversations. Answers the data of `file.uploaded`."""


class _FileEvent(Event):
    """State of a document: `size` in bytes, `sha256` in lower-case hex, `key` in the bucket."""

    visible_to = "tenant"

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

    @property
    def subject(self) -> str:
        return f"file/{self.id}"


class FileUploaded(_FileEvent):
    """The bytes are stored and may be linked to."""

    type = "file.uploaded"


class FileDeleted(_FileEvent):
    """The document is gone for its users; its bytes follow."""

    type = "file.deleted"


class FilesCleanup(Command):
    """Remove what expired uploads and deleted documents left in the bucket; report what has no row."""

    type = "files.cleanup"

    @property
    def subject(self) -> str:
        return "files"
