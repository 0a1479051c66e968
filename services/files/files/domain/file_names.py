"""What files are called: by their users, in the bucket, and by a browser that saves them."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple
from urllib.parse import quote
from uuid import UUID

DOCUMENTS = "documents/"
INCOMING = "incoming/"
LONGEST_NAME = 512
LONGEST_BASE = 50
EXTENSION = re.compile(r"\.[A-Za-z0-9]{1,10}")
NOT_IN_KEYS = re.compile(r"[^a-zA-Z0-9\-_]")
TURNS_TEXT = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u061c")


class Name(NamedTuple):
    """A file's name in its two parts; `extension` has its dot, or is empty."""

    base: str
    extension: str

    def __str__(self) -> str:
        return self.base + self.extension


def read_name(given: str, *, any_extension: bool = False) -> Name:
    """The name without folders, control characters, and marks that turn the direction of text (`gpj.exe` shown as
    `exe.jpg`). Raises ValueError for one that is too long, holds a NUL, or has an extension that we don't take; with
    `any_extension` that counts as a part of the base."""
    if "\0" in given:
        raise ValueError("must not contain NUL")
    if len(given) > LONGEST_NAME:
        raise ValueError(f"must have at most {LONGEST_NAME} characters")
    last = re.split(r"[/\\]", given)[-1]
    shown = "".join(c for c in last if unicodedata.category(c) not in ("Cc", "Cs") and c not in TURNS_TEXT)
    name = _split(shown.strip())
    if name.extension and not EXTENSION.fullmatch(name.extension):
        if any_extension:
            return Name(str(name), "")
        raise ValueError("must have an extension of at most 10 letters or digits")
    return name


def _split(name: str) -> Name:
    """As Node's `path.extname`: a dot at the beginning begins no extension."""
    base, dot, extension = name.rpartition(".")
    if name in ("", ".", ".."):
        return Name("file", "")
    return Name(base, dot + extension) if base and extension else Name(name.rstrip("."), "")


def key_of(name: Name, *, tenant_id: UUID, entity_type: str, entity_id: str, unique: UUID) -> str:
    """`documents/{tenant}/{entity_type}/{entity_id}/{base}_{uuid}{ext}`, its base cleaned as in the original."""
    base = NOT_IN_KEYS.sub("_", name.base)[:LONGEST_BASE]
    return f"{DOCUMENTS}{tenant_id}/{entity_type}/{entity_id}/{base}_{unique}{name.extension}"


def incoming_key(id: UUID) -> str:
    """Where a client may put the bytes of a direct upload."""
    return f"{INCOMING}{id}"


def incoming_id(key: str) -> UUID | None:
    """Whose that place is; None for a key that is nobody's."""
    try:
        owner = UUID(key.removeprefix(INCOMING))
    except ValueError:
        return None
    return owner if incoming_key(owner) == key else None


def disposition(name: str) -> str:
    """Content-Disposition (RFC 6266): always saved, never shown in place, under the name that it came with."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9 ._()\-]", "_", plain).strip() or "file"
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
