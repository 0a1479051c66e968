"""The file name in a part's Content-Disposition, as browsers and other programs write it.

Browsers write UTF-8 with three escapes. .NET and others write `filename*` (RFC 5987), with an encoded word (RFC 2047)
for those that don't read it.
"""

import re
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from urllib.parse import unquote_to_bytes

from python_multipart.multipart import parse_options_header

from files.domain.files import BadForm

EXTENDED = re.compile(rb";\s*filename\*\s*=\s*\"?([A-Za-z0-9-]+)'[^';]*'([^;\s\"]*)", re.IGNORECASE)
ENCODED_WORDS = re.compile(r"(=\?[A-Za-z0-9-]+\?[BbQq]\?[^?\s]*\?=\s*)+")


def file_name_of(disposition: bytes) -> str | None:
    """The file name that the client sent; None if there is none. Raises `BadForm` for one that can't be decoded."""
    extended = EXTENDED.search(disposition)
    if extended is not None and (name := _decoded(unquote_to_bytes(extended[2]), extended[1].decode())) is not None:
        return name
    given = parse_options_header(disposition)[1].get(b"filename")
    if given is None:
        return None
    text = _decoded(given, "utf-8")
    if text is None:
        raise BadForm.field("has a name that isn't UTF-8", "body", "file")
    if ENCODED_WORDS.fullmatch(text):
        return _words(text)
    return text.replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")


def _decoded(name: bytes, charset: str) -> str | None:
    try:
        return name.decode(charset)
    except (UnicodeDecodeError, LookupError):
        return None


def _words(text: str) -> str:
    """The text of encoded words; as it is if it can't be decoded."""
    try:
        return str(make_header(decode_header(text)))
    except (HeaderParseError, UnicodeDecodeError, LookupError):
        return text
