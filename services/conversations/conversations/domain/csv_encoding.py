"""The encoding of a CSV file that a person brings: UTF-8, UTF-16 with its mark, or Windows-1252, as spreadsheets write.

UTF-8 is known by itself. Text that is not UTF-8 is taken for Windows-1252 field by field, so that one odd byte harms no
other line.
"""

import codecs
import io
import re

UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_ESCAPED = re.compile("[\udc80-\udcff]")  # a byte that is not UTF-8, as "surrogateescape" leaves it


class TextDecoder:
    """Decodes a file chunk by chunk, with `\n` for every line break. Bytes that are not UTF-8 stay escaped.

    Raises `UnicodeDecodeError` for a file that begins with the mark of UTF-16 and is none.
    """

    def __init__(self) -> None:
        self._head = b""
        self._decoder: io.IncrementalNewlineDecoder | None = None

    def decode(self, chunk: bytes, *, final: bool = False) -> str:
        if self._decoder is None:
            self._head += chunk
            if len(self._head) < 2 and not final:
                return ""
            chunk, self._head = self._head, b""
            self._decoder = io.IncrementalNewlineDecoder(_decoder_of(chunk), translate=True)
        return self._decoder.decode(chunk, final=final)


def _decoder_of(head: bytes) -> codecs.IncrementalDecoder:
    if head.startswith(UTF_16_MARKS):
        return codecs.getincrementaldecoder("utf-16")()
    return codecs.getincrementaldecoder("utf-8-sig")("surrogateescape")


def decode_escaped(text: str) -> str:
    """The text, its bytes taken for Windows-1252 if they are not UTF-8. Raises `UnicodeDecodeError`."""
    if _ESCAPED.search(text) is None:
        return text
    return text.encode("utf-8", "surrogateescape").decode("cp1252")
