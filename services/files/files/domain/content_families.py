"""Families of content types: types whose bytes can't be told apart, or that programs write for each other.

A declared type is contradicted only by bytes that positively are something else. Bytes that nobody recognises
contradict nothing, except a type whose every file begins with the same bytes, and text.
"""

import re

BINARY = "application/octet-stream"
TEXTUAL = frozenset(
    {
        "application/javascript",
        "application/json",
        "application/pgp-signature",
        "application/sql",
        "application/toml",
        "application/vnd.apple.mpegurl",
        "application/x-javascript",
        "application/x-mpegurl",
        "application/x-ndjson",
        "application/x-sh",
        "application/x-subrip",
        "application/x-yaml",
        "application/yaml",
        "audio/mpegurl",
        "audio/x-mpegurl",
        "audio/x-scpls",
    }
)
HTML_TYPES = frozenset({"text/html", "application/xhtml+xml"})
PICTURES = {  # each file begins with the same bytes
    "image/png": "png",
    "image/apng": "png",
    "image/jpeg": "jpeg",
    "image/gif": "gif",
    "image/webp": "webp",
    "application/pdf": "pdf",
}
FAMILIES = PICTURES | {
    "image/bmp": "bmp",
    "image/x-icon": "icon",
    "image/tiff": "tiff",
    "image/vnd.adobe.photoshop": "photoshop",
    "application/rtf": "rtf",
    "application/gzip": "gzip",
    "application/x-rar-compressed": "rar",
    "application/x-7z-compressed": "7z",
    "image/svg+xml": "svg",
    "image/heic": "media",
    "image/heif": "media",
    "image/avif": "media",
    "application/ogg": "media",
    "application/mp4": "media",
    "application/zip": "zip",
    "application/java-archive": "zip",
    "application/epub+zip": "zip",
    "application/msword": "ole",
    "application/vnd.ms-excel": "ole",
    "application/vnd.ms-powerpoint": "ole",
    "application/vnd.ms-outlook": "ole",
    "application/vnd.visio": "ole",
    "application/x-ole-storage": "ole",
    "application/x-msdownload": "program",
    "application/x-executable": "program",
    "application/x-dosexec": "program",
    "application/vnd.microsoft.portable-executable": "program",
}
OFFICE_ZIP = re.compile(
    r"application/(vnd\.openxmlformats-|vnd\.oasis\.|vnd\.ms-(word|excel|powerpoint|visio)\.[a-z.]*(macroenabled|main|binary))"
)
# What else may be in a file of a declared family: a password puts a Word file into an OLE container, Excel opens tables
# of text by its old type, an icon holds a PNG.
ALLOWED: dict[str, frozenset[str]] = {
    "office": frozenset({"zip", "ole"}),
    "zip": frozenset({"office"}),
    "ole": frozenset({"zip", "office", "rtf", "text", "xml"}),
    "rtf": frozenset({"text", "ole", "office"}),
    "text": frozenset({"xml", "rtf"}),
    "xml": frozenset({"text", "svg"}),
    "svg": frozenset({"xml", "text"}),
    "html": frozenset({"xml", "text", "svg"}),
    "icon": frozenset({"png", "bmp"}),
    "bmp": frozenset({"icon"}),
}
SIGNED = frozenset(PICTURES.values())
NEVER_A_PICTURE = frozenset({"program", "html"})


def family_of(content_type: str) -> str | None:
    """The family of a normalised type. None for a type of which nothing is known here."""
    if content_type in FAMILIES:
        return FAMILIES[content_type]
    if content_type in HTML_TYPES:
        return "html"
    if OFFICE_ZIP.match(content_type):
        return "office"
    if content_type in TEXTUAL or content_type.startswith(("text/", "message/")) or content_type.endswith("+json"):
        return "text"
    if content_type.endswith(("/xml", "+xml")):
        return "xml"
    return "media" if content_type.startswith(("audio/", "video/")) else None


def excludes(declared: str, found: str) -> bool:
    """Whether bytes that look like `found` can't be a file of the type `declared`. Both are normalised types."""
    if declared in (found, BINARY):
        return False
    wanted, actual = family_of(declared), family_of(found)
    if wanted is None:
        return declared.startswith("image/") and actual in NEVER_A_PICTURE
    if found == BINARY:
        return wanted in SIGNED or wanted in ("text", "html")
    if actual is None:
        return wanted in SIGNED or wanted in ("text", "html", "xml", "svg")
    return wanted != actual and actual not in ALLOWED.get(wanted, ())
