"""A multipart form, read while it arrives: its short fields whole, its file in chunks."""

from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from aiohttp import StreamReader, web
from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from files.api.form_file_names import file_name_of
from files.domain.files import BadForm

MAX_FIELD_BYTES = 1024
MAX_FIELDS = 20
NOT_ENCODED = (b"7bit", b"8bit", b"binary", b"")


@dataclass
class _Part:
    """A part of the form, filled by the parser's callbacks. `at`: where its bytes begin in the body."""

    headers: dict[bytes, bytes] = field(default_factory=dict)
    at: int = 0
    chunks: deque[bytes] = field(default_factory=deque)
    ended: bool = False


class Form:
    """The form in a request's body: fields, then one file. Raises `BadForm` for whatever is wrong with it."""

    def __init__(self, content: StreamReader, boundary: bytes, length: int | None) -> None:
        self._content = content
        self._length = length
        self.fields: dict[str, str] = {}
        self.file_length: int | None = None  # at most, give or take a line break; None without a Content-Length
        self._closing = len(b"\r\n--" + boundary + b"--\r\n")
        self._fed = 0
        self._parts: deque[_Part] = deque()
        self._name = self._value = b""
        self._ended = False
        callbacks: Any = {
            "on_part_begin": lambda: self._parts.append(_Part()),
            "on_header_field": self._add_name,
            "on_header_value": self._add_value,
            "on_header_end": self._end_header,
            "on_part_data": self._add_data,
            "on_part_end": self._end_part,
            "on_end": self._end,
        }
        self._parser = MultipartParser(boundary, callbacks)

    async def read_fields(self, *wanted: str) -> None:
        """Read up to the file and set `fields` and `file_length`. Refuses unknown, missing and long fields."""
        while (part := await self._next()) is not None and (name := _name_of(part)) != "file":
            if name not in wanted or name in self.fields or len(self.fields) > MAX_FIELDS:
                raise BadForm.field("is not a field of this form, or is repeated", "body", name)
            self.fields[name] = await self._text(part, name)
        for name in wanted:
            if name not in self.fields:
                raise BadForm.field("is missing (fields come before the file)", "body", name)
        if part is None:
            raise BadForm.field("is missing", "body", "file")
        if self._length is not None:
            self.file_length = max(0, self._length - part.at - self._closing)

    @property
    def file_name(self) -> str:
        """The file's name as the client sent it."""
        part = self._parts[0]
        given = file_name_of(part.headers.get(b"content-disposition", b""))
        if given is None:
            raise BadForm.field("has no file name", "body", "file")
        if not given and part.ended and not part.chunks:  # as browsers send a form in which no file was chosen
            raise BadForm.field("is missing: no file was chosen", "body", "file")
        return given

    async def chunks(self) -> AsyncIterator[bytes]:
        """The file's bytes. After the last of them the form must end."""
        part = self._parts[0]
        while True:
            while part.chunks:
                yield part.chunks.popleft()
            if part.ended:
                break
            await self._feed()
        self._parts.popleft()
        if await self._next() is not None:
            raise BadForm.field("must be the last field", "body", "file")

    async def _text(self, part: _Part, name: str) -> str:
        while not part.ended:
            if sum(map(len, part.chunks)) > MAX_FIELD_BYTES:
                raise BadForm.field(f"must have at most {MAX_FIELD_BYTES} bytes", "body", name)
            await self._feed()
        self._parts.popleft()
        try:
            return b"".join(part.chunks).decode()
        except UnicodeDecodeError:
            raise BadForm.field("isn't UTF-8", "body", name) from None

    async def _next(self) -> _Part | None:
        """The next part that has begun to arrive, its headers read. None after the last one."""
        while not (self._parts and (self._parts[0].chunks or self._parts[0].ended)):
            if self._ended:
                return None
            await self._feed()
        part = self._parts[0]
        encoding = part.headers.get(b"content-transfer-encoding", b"binary").strip().lower()
        if encoding not in NOT_ENCODED:
            raise BadForm.field("has a Content-Transfer-Encoding, which forms must not have", "body", _name_of(part))
        return part

    async def _feed(self) -> None:
        chunk = await self._content.readany()
        if not chunk:
            raise BadForm.field("the form is incomplete", "body")
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise BadForm.field(f"is not a multipart form: {error}", "body") from None
        self._fed += len(chunk)

    def _add_name(self, chunk: bytes, start: int, end: int) -> None:
        self._name += chunk[start:end]

    def _add_value(self, chunk: bytes, start: int, end: int) -> None:
        self._value += chunk[start:end]

    def _end_header(self) -> None:
        self._parts[-1].headers[self._name.lower()] = self._value
        self._name = self._value = b""

    def _add_data(self, chunk: bytes, start: int, end: int) -> None:
        part = self._parts[-1]
        part.at = part.at or self._fed + start
        part.chunks.append(chunk if start == 0 and end == len(chunk) else chunk[start:end])

    def _end_part(self) -> None:
        self._parts[-1].ended = True

    def _end(self) -> None:
        self._ended = True


async def open_form(request: web.Request, *fields: str) -> Form:
    """The form of a request, read up to its file. Raises `BadForm` when there is none."""
    kind, options = parse_options_header(request.headers.get("Content-Type"))
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary or len(boundary) > 70:
        raise BadForm.field("must be a multipart form", "body")
    form = Form(request.content, boundary, request.content_length)
    await form.read_fields(*fields)
    return form


def _options(part: _Part) -> dict[bytes, bytes]:
    return parse_options_header(part.headers.get(b"content-disposition", b""))[1]


def _name_of(part: _Part) -> str:
    return _options(part).get(b"name", b"").decode("utf-8", "replace")
