"""Content types: sniffed from the first bytes of a file, and compared with the declared type."""

import codecs
import re

import puremagic

from files.domain.content_families import BINARY, excludes, family_of

SNIFF_BYTES = 8192  # enough of a file to sniff its type
TEXT = "text/plain"
ZIP = "application/zip"
OLE = "application/x-ole-storage"
RECOGNISED_BYTES = 4  # that a signature must have to count

# Types of plain text: only the file name shows them.
TEXT_EXTENSIONS = {
    ".csv": "text/csv",
    ".json": "application/json",
    ".md": "text/markdown",
    ".ics": "text/calendar",
    ".vcf": "text/vcard",
    ".eml": "message/rfc822",
}
OPENXML = "application/vnd.openxmlformats-officedocument."
OPENDOCUMENT = "application/vnd.oasis.opendocument."
# Types within a container: the file name shows them.
ZIP_EXTENSIONS = {
    ".docx": OPENXML + "wordprocessingml.document",
    ".dotx": OPENXML + "wordprocessingml.template",
    ".docm": "application/vnd.ms-word.document.macroenabled.12",
    ".xlsx": OPENXML + "spreadsheetml.sheet",
    ".xltx": OPENXML + "spreadsheetml.template",
    ".xlsm": "application/vnd.ms-excel.sheet.macroenabled.12",
    ".pptx": OPENXML + "presentationml.presentation",
    ".odt": OPENDOCUMENT + "text",
    ".ods": OPENDOCUMENT + "spreadsheet",
    ".odp": OPENDOCUMENT + "presentation",
    ".epub": "application/epub+zip",
}
ZIP_ENTRIES = {b"word/": ".docx", b"xl/": ".xlsx", b"ppt/": ".pptx"}
OLE_EXTENSIONS = {
    ".doc": "application/msword",
    ".xls": "application/vnd.ms-excel",
    ".ppt": "application/vnd.ms-powerpoint",
    ".msg": "application/vnd.ms-outlook",
}
SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"PK\x03\x04", ZIP),
    (b"PK\x05\x06", ZIP),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", OLE),
    (b"\x1f\x8b\x08", "application/gzip"),
    (b"{\\rtf", "application/rtf"),
    (b"\x7fELF", "application/x-executable"),
    (b"ID3", "audio/mpeg"),
)
PDF_WITHIN = 1024  # bytes: readers accept what comes before, such as a line break
PROLOGUE = re.compile(
    r"(\s|\ufeff|<\?xml.*?\?>|<!--.*?-->)*(<!doctype\s+(?!html)[^>[]*(\[.*?\])?\s*>)?(\s|<!--.*?-->)*",
    re.IGNORECASE | re.DOTALL,
)
WEB_PAGE = re.compile(r"<(!doctype\s+html|html|head|body|script|iframe)[\s>/]", re.IGNORECASE)
SVG = re.compile(r"<(svg:)?svg[\s>/]", re.IGNORECASE)
XML = re.compile(r"[\ufeff\s]*<\?xml\s", re.IGNORECASE)
CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
MOST_CONTROLS = 0.02  # of a text's characters; random bytes have a tenth
# Names that clients use, and ours. Browsers ask the operating system, and each has its own names.
ALIASES = {
    "application/x-gzip": "application/gzip",
    "application/x-pdf": "application/pdf",
    "application/x-rar": "application/x-rar-compressed",
    "application/vnd.rar": "application/x-rar-compressed",
    "application/x-zip-compressed": ZIP,
    "application/x-matroska": "video/x-matroska",
    "audio/mp3": "audio/mpeg",
    "audio/flac": "audio/x-flac",
    "audio/wav": "audio/x-wav",
    "audio/wave": "audio/x-wav",
    "audio/vnd.wave": "audio/x-wav",
    "audio/x-m4a": "audio/mp4",
    "audio/m4a": "audio/mp4",
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/vnd.microsoft.icon": "image/x-icon",
    "image/x-ms-bmp": "image/bmp",
    "text/rtf": "application/rtf",
    "text/xml": "application/xml",
}

# Types that browsers may display safely. Everything else is served as binary, whatever it contains.
DISPLAYABLE = re.compile(r"(image/(png|jpeg|gif|webp|bmp|tiff|heic|avif)|audio/.*|video/.*|application/pdf|text/plain)")


def sniff_content_type(head: bytes, extension: str = "") -> str:
    """The content type of a file that begins with these bytes.

    The extension decides only within a family: among texts, and among the types of one container.
    """
    extension = extension.lower()
    found = _signature(head)
    if found == ZIP:
        return _in_zip(head, extension)
    if found == OLE:
        return OLE_EXTENSIONS.get(extension, OLE)
    if found is not None:
        return found
    text = _text(head)
    if text is None:
        return _by_puremagic(head)
    root = PROLOGUE.match(text)
    start = text[root.end() :] if root else text
    if SVG.match(start):
        return "image/svg+xml"
    if WEB_PAGE.match(start):
        return "text/html"
    return "application/xml" if XML.match(text) else TEXT_EXTENSIONS.get(extension, TEXT)


def matches_declared(declared: str, found: str) -> bool:
    """Whether a file may be of the declared type when its bytes look like `found`."""
    return not excludes(_normalized(declared), _normalized(found))


def resolve_content_type(declared: str, found: str) -> str:
    """The declared type, if it matches the bytes; the sniffed one where only binary was declared."""
    return found if _normalized(declared) == BINARY else declared


def served_content_type(content_type: str) -> str:
    """The type to store with the object, so that downloads have it: binary for what a browser might run."""
    plain = content_type.partition(";")[0].strip().lower()
    return content_type if DISPLAYABLE.fullmatch(plain) else BINARY


def _normalized(content_type: str) -> str:
    plain = content_type.partition(";")[0].strip().lower()
    return ALIASES.get(plain, plain)


def _signature(head: bytes) -> str | None:
    for signature, found in SIGNATURES:
        if head.startswith(signature):
            return found
    if b"%PDF-" in head[:PDF_WITHIN]:
        return "application/pdf"
    if head.startswith(b"MZ") and _text(head) is None:
        return "application/x-msdownload"
    return None


def _by_puremagic(head: bytes) -> str:
    """The type of the longest signature that puremagic knows, or binary."""
    try:
        candidates = puremagic.magic_string(head)
    except (puremagic.PureError, ValueError):
        return BINARY
    named = [each for each in candidates if each.mime_type and len(each.byte_match) >= RECOGNISED_BYTES]
    best = max(named, key=lambda each: len(each.byte_match), default=None)
    found = BINARY if best is None else _normalized(best.mime_type)
    return BINARY if family_of(found) in ("text", "html", "xml", "svg") else found


def _in_zip(head: bytes, extension: str) -> str:
    if extension in ZIP_EXTENSIONS:
        return ZIP_EXTENSIONS[extension]
    return next((ZIP_EXTENSIONS[kind] for entry, kind in ZIP_ENTRIES.items() if entry in head), ZIP)


def _text(head: bytes) -> str | None:
    """The bytes as text: UTF-8, UTF-16, or else an encoding of one byte a character; None if they are none."""
    for bom, encoding in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if head.startswith(bom):
            return head.decode(encoding, "replace")
    for place, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):  # Latin text without a byte order mark
        if len(head) >= 4 and not any(head[place::2]) and all(head[1 - place :: 2]):
            return head.decode(encoding, "replace")
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)  # the last character may be cut off
    except UnicodeDecodeError:
        text = head.decode("latin-1")
    if "\x00" in text or len(CONTROLS.findall(text)) > MOST_CONTROLS * len(text):
        return None
    return text
