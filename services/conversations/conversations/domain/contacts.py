"""Contacts as lines of a CSV file: columns, limits and validation."""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from unicodedata import normalize
from uuid import UUID

from conversations.domain.spreadsheet_text import from_text
from switchboard.runtime.phones import NotAPhone, to_e164
from switchboard.runtime.refusals import Conflict, Invalid

COLUMNS = ("phone", "name", "tags", "owner_id", "opted_out")
MAX_NAME = 200
MAX_TAG = 50
MAX_TAGS = 50
SEPARATOR = "\x1f"  # between tags, in the parameters of the import statement
YES = frozenset({"true", "yes", "1", "y", "t"})
NO = frozenset({"false", "no", "0", "n", "f", ""})


class PhoneTaken(Conflict):
    """A contact with this phone number already exists."""

    code = "contact_exists"


class UnusableFile(Invalid):
    """The file is not a CSV file of contacts."""

    code = "unusable_file"


class RejectedLine(ValueError):
    """A line that can't be imported. The text gives the reason."""


class UnknownOwner(RejectedLine):
    """A line with an owner that is not among the given users."""

    def __init__(self, owner_id: UUID) -> None:
        super().__init__(f"owner_id {owner_id} is not a user of this tenant")
        self.owner_id = owner_id


@dataclass(frozen=True)
class ContactRow:
    """One contact. None: the file has no value for this field."""

    phone: str
    name: str | None = None
    tags: tuple[str, ...] = ()
    owner_id: UUID | None = None
    opted_out: bool | None = None


def distinct_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """The tags without spaces around them, each once: those that differ in case alone are one, as first spelled."""
    first: dict[str, str] = {}
    for tag in tags:
        if shown := " ".join(tag.split()):
            first.setdefault(shown.casefold(), shown)
    return tuple(first.values())


def row_of(fields: Mapping[str, str], region: str, users: Set[UUID]) -> ContactRow:
    """Validate a line. Raises `RejectedLine`."""
    try:
        phone = to_e164(fields.get("phone", "").strip(), region)
    except NotAPhone as error:
        raise RejectedLine(str(error)) from None
    if "\0" in "".join(fields.values()):
        raise RejectedLine("contains NUL")
    return ContactRow(
        phone=phone,
        name=_name(from_text(fields.get("name", "").strip())),
        tags=_tags(from_text(fields.get("tags", ""))),
        owner_id=_owner(fields.get("owner_id", "").strip(), users),
        opted_out=_yes_or_no(fields.get("opted_out", "").strip().lower()),
    )


def _name(text: str) -> str | None:
    if len(text) > MAX_NAME:
        raise RejectedLine(f"the name has more than {MAX_NAME} characters")
    return normalize("NFC", text) or None


def _tags(text: str) -> tuple[str, ...]:
    tags = distinct_tags(text.split(";"))
    if len(tags) > MAX_TAGS or any(len(tag) > MAX_TAG for tag in tags):
        raise RejectedLine(f"more than {MAX_TAGS} tags, or one of more than {MAX_TAG} characters")
    if any(SEPARATOR in tag for tag in tags):
        raise RejectedLine("a tag contains a control character")
    return tags


def _owner(text: str, users: Set[UUID]) -> UUID | None:
    if not text:
        return None
    try:
        owner = UUID(text)
    except ValueError:
        raise RejectedLine(f"owner_id {text!r} is not an id") from None
    if owner not in users:
        raise UnknownOwner(owner)
    return owner


def _yes_or_no(text: str) -> bool | None:
    if text in YES:
        return True
    if text in NO:
        return False if text else None
    raise RejectedLine(f"opted_out {text!r} is neither yes nor no")
