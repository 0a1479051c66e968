"""File names: as users see them, as keys in the bucket, and as browsers save them."""

import re
import unicodedata
from typing import NamedTuple
from urllib.parse import quote
from uuid import UUID

DOCUMENTS = "documents/"
INCOMING = "incoming/"
MAX_NAME = 512
MAX_KEY_BASE = 50
EXTENSION = re.compile(r"\.[A-Za-z0-9]{1,10}")
UNSAFE_IN_KEYS = re.compile(r"[^a-zA-Z0-9\-_]")
BIDI_CONTROLS = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u061c")


class FileName(NamedTuple):
    """A file's name in two parts. `extension` includes its dot, or is empty."""

    base: str
    extension: str

    def __str__(self) -> str:
        return self.base + self.extension


def parse_file_name(given: str, *, any_extension: bool = False) -> FileName:
    """The name without folders, control characters and bidirectional controls (which show `gpj.exe` as `exe.jpg`).

    Raises ValueError for a name that is too long, contains NUL, or has an extension that is not accepted. With
    `any_extension` such an extension becomes part of the base.
    """
    if "\0" in given:
        raise ValueError("must not contain NUL")
    if len(given) > MAX_NAME:
        raise ValueError(f"must have at most {MAX_NAME} characters")
    last = re.split(r"[/\\]", given)[-1]
    shown = "".join(c for c in last if unicodedata.category(c) not in ("Cc", "Cs") and c not in BIDI_CONTROLS)
    name = _split(shown.strip())
    if name.extension and not EXTENSION.fullmatch(name.extension):
        if any_extension:
            return FileName(str(name), "")
        raise ValueError("must have an extension of at most 10 letters or digits")
    return name


def _split(name: str) -> FileName:
    """Like Node's `path.extname`: a leading dot begins no extension."""
    base, dot, extension = name.rpartition(".")
    if not any(_is_visible(c) for c in name):
        return FileName("file", "")
    return FileName(base, dot + extension) if base and extension else FileName(name.rstrip(". "), "")


def _is_visible(char: str) -> bool:
    return char != "." and unicodedata.category(char)[0] not in "CZM"


def document_key(name: FileName, entity: str, id: UUID) -> str:
    """`documents/{entity}/{base}_{id}{ext}`, with the base cleaned as on the legacy platform."""
    base = UNSAFE_IN_KEYS.sub("_", name.base)[:MAX_KEY_BASE]
    return f"{DOCUMENTS}{entity}/{base}_{id}{name.extension}"


def incoming_key(id: UUID) -> str:
    """The key at which a client puts the bytes of a direct upload."""
    return f"{INCOMING}{id}"


def incoming_id(key: str) -> UUID | None:
    """The id of the upload that this incoming key belongs to. None if the key is malformed."""
    try:
        owner = UUID(key.removeprefix(INCOMING))
    except ValueError:
        return None
    return owner if incoming_key(owner) == key else None


def content_disposition(name: str) -> str:
    """The Content-Disposition header (RFC 6266): browsers save the file under its name and never display it."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9 ._()\-]", "_", plain).strip() or "file"
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
