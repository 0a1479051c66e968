"""Content types: sniffed from the first bytes of a file, and compared with the declared type."""

import codecs
import re

import filetype

SNIFF_BYTES = 8192  # enough of a file to sniff its type
BINARY = "application/octet-stream"
TEXT = "text/plain"

# Types of plain text: only the file name shows them.
TEXT_EXTENSIONS = {
    ".csv": "text/csv",
    ".json": "application/json",
    ".md": "text/markdown",
    ".ics": "text/calendar",
    ".vcf": "text/vcard",
}
TEXTUAL = frozenset({"application/javascript", "application/x-javascript", "application/sql", "application/yaml"})
ACTIVE = frozenset({"text/html", "image/svg+xml"})  # can run scripts in a browser
OFFICE = ("application/vnd.openxmlformats-", "application/vnd.oasis.", "application/epub+zip")
HTML = re.compile(r"<(!doctype\s+html|html|head|body|script|iframe|div|p|table|meta|title|a\s)", re.IGNORECASE)
SVG = re.compile(r"<svg[\s>]", re.IGNORECASE)
# Names that clients use, and ours. Browsers ask the operating system, and each has its own names.
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
# Container formats of several types: their first bytes don't show which type it is.
CONTAINERS = (
    frozenset({"video/mp4", "video/quicktime", "video/x-m4v", "video/3gpp", "audio/mp4"}),
    frozenset({"video/webm", "video/x-matroska", "audio/webm"}),
    frozenset({"audio/ogg", "video/ogg", "application/ogg"}),
    frozenset({"image/heic", "image/heif"}),
)
OLD_OFFICE = frozenset({"application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint"})

# Types that browsers may display safely. Everything else is served as binary, whatever it contains.
DISPLAYABLE = re.compile(r"(image/(png|jpeg|gif|webp|bmp|tiff|heic|avif)|audio/.*|video/.*|application/pdf|text/plain)")


def sniff_content_type(head: bytes, extension: str = "") -> str:
    """The content type of a file that begins with these bytes. The extension counts only for plain text."""
    guess = filetype.guess_mime(head) if head else None
    if guess is not None:
        return _normalized(str(guess))
    text = _text(head)
    if text is None:
        return BINARY
    if SVG.search(text):
        return "image/svg+xml"
    if HTML.search(text):
        return "text/html"
    if text.lstrip("\ufeff \t\r\n").startswith("<?xml"):
        return "application/xml"
    return TEXT_EXTENSIONS.get(extension.lower(), TEXT)


def matches_declared(declared: str, found: str) -> bool:
    """Whether a file may be of the declared type when its bytes look like `found`."""
    declared = _normalized(declared)
    if declared in (found, BINARY) or any({declared, found} <= alike for alike in CONTAINERS):
        return True
    if found == "application/zip":
        return declared.startswith(OFFICE)
    if found in OLD_OFFICE:
        return declared in OLD_OFFICE
    if found == "application/xml":
        return declared.endswith("+xml")
    if found in ACTIVE:
        return False
    if _is_text(found):
        return _is_text(declared) or declared == "application/vnd.ms-excel"  # Windows' type of .csv
    return found == BINARY and filetype.get_type(mime=declared) is None and not _is_text(declared)


def resolve_content_type(declared: str, found: str) -> str:
    """The declared type, if it matches the bytes; the sniffed one where only binary was declared."""
    return found if _normalized(declared) == BINARY else declared


def served_content_type(content_type: str) -> str:
    """The type to store with the object, so that downloads have it: binary for what a browser might run."""
    return content_type if DISPLAYABLE.fullmatch(content_type) else BINARY


def _normalized(content_type: str) -> str:
    plain = content_type.partition(";")[0].strip().lower()
    return ALIASES.get(plain, plain)


def _is_text(content_type: str) -> bool:
    return content_type in TEXT_EXTENSIONS.values() or content_type in TEXTUAL or content_type.startswith("text/")


def _text(head: bytes) -> str | None:
    for bom, encoding in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if head.startswith(bom):
            return head.decode(encoding, "replace")
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)  # the last character may be cut off
    except UnicodeDecodeError:
        return None
    return None if re.search(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]", text) else text
