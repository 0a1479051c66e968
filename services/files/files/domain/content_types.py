"""What a file is, judged by its first bytes; and whether that is what somebody said."""

from __future__ import annotations

import codecs
import re

import filetype

ENOUGH = 8192  # bytes to judge by
BYTES = "application/octet-stream"
TEXT = "text/plain"

# What can only be told by the name, among things that are plain text.
TEXTS = {
    ".csv": "text/csv",
    ".json": "application/json",
    ".md": "text/markdown",
    ".ics": "text/calendar",
    ".vcf": "text/vcard",
}
TEXTUAL = frozenset({"application/javascript", "application/x-javascript", "application/sql", "application/yaml"})
RUNS = frozenset({"text/html", "image/svg+xml"})  # in a browser
OFFICE = ("application/vnd.openxmlformats-", "application/vnd.oasis.", "application/epub+zip")
HTML = re.compile(r"<(!doctype\s+html|html|head|body|script|iframe|div|p|table|meta|title|a\s)", re.IGNORECASE)
SVG = re.compile(r"<svg[\s>]", re.IGNORECASE)
# What clients call it, and what we do. Browsers ask the system, which has its own ideas.
ALIASES = {
    "application/x-gzip": "application/gzip",
    "application/x-pdf": "application/pdf",
    "application/x-rar": "application/x-rar-compressed",
    "application/vnd.rar": "application/x-rar-compressed",
    "application/x-zip-compressed": "application/zip",
    "audio/mp3": "audio/mpeg",
    "audio/flac": "audio/x-flac",
    "audio/wav": "audio/x-wav",
    "audio/wave": "audio/x-wav",
    "audio/x-m4a": "audio/mp4",
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/vnd.microsoft.icon": "image/x-icon",
    "image/x-ms-bmp": "image/bmp",
    "text/rtf": "application/rtf",
    "text/xml": "application/xml",
}
# One container for several things: its first bytes don't tell which.
CONTAINERS = (
    frozenset({"video/mp4", "video/quicktime", "video/x-m4v", "video/3gpp", "audio/mp4"}),
    frozenset({"video/webm", "video/x-matroska", "audio/webm"}),
    frozenset({"audio/ogg", "video/ogg", "application/ogg"}),
    frozenset({"image/heic", "image/heif"}),
)
OLD_OFFICE = frozenset({"application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint"})

# What a browser may be told the type of. All else is bytes to it, whatever it contains.
HARMLESS = re.compile(r"(image/(png|jpeg|gif|webp|bmp|tiff|heic|avif)|audio/.*|video/.*|application/pdf|text/plain)")


def kind_of(head: bytes, extension: str = "") -> str:
    """The content type of a file that begins so. Only for plain text does its name have a say."""
    guess = filetype.guess_mime(head) if head else None
    if guess is not None:
        return _normal(str(guess))
    text = _text(head)
    if text is None:
        return BYTES
    if SVG.search(text):
        return "image/svg+xml"
    if HTML.search(text):
        return "text/html"
    if text.lstrip("\ufeff \t\r\n").startswith("<?xml"):
        return "application/xml"
    return TEXTS.get(extension.lower(), TEXT)


def agree(declared: str, found: str) -> bool:
    """Whether bytes that look like `found` may be what was declared."""
    declared = _normal(declared)
    if declared in (found, BYTES) or any({declared, found} <= alike for alike in CONTAINERS):
        return True
    if found == "application/zip":
        return declared.startswith(OFFICE)
    if found in OLD_OFFICE:
        return declared in OLD_OFFICE
    if found == "application/xml":
        return declared.endswith("+xml")
    if found in RUNS:
        return False
    if _is_text(found):
        return _is_text(declared) or declared == "application/vnd.ms-excel"  # what Windows calls a .csv
    return found == BYTES and filetype.get_type(mime=declared) is None and not _is_text(declared)


def settled(declared: str, found: str) -> str:
    """The type of a file whose bytes look like `found`, and that was declared as something that agrees."""
    return found if _normal(declared) == BYTES else declared


def served_as(content_type: str) -> str:
    """The type to store with the object, and so to answer a browser with."""
    return content_type if HARMLESS.fullmatch(content_type) else BYTES


def _normal(content_type: str) -> str:
    plain = content_type.partition(";")[0].strip().lower()
    return ALIASES.get(plain, plain)


def _is_text(content_type: str) -> bool:
    return content_type in TEXTS.values() or content_type in TEXTUAL or content_type.startswith("text/")


def _text(head: bytes) -> str | None:
    for mark, encoding in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if head.startswith(mark):
            return head.decode(encoding, "replace")
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)  # the last character may be cut off
    except UnicodeDecodeError:
        return None
    return None if re.search(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]", text) else text
