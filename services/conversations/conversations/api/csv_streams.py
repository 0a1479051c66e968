"""Streaming of CSV and other answers and uploads that are too large for memory."""

from collections.abc import AsyncIterator, Mapping

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from switchboard.runtime.refusals import Invalid, Malformed, UnsupportedMediaType

CHUNK = 64 * 1024
MAX_PARTS = 20  # of a form


def wants_csv(request: web.Request) -> bool:
    """Whether the client asks for CSV."""
    return "text/csv" in request.headers.get("Accept", "")


async def stream(
    request: web.Request, chunks: AsyncIterator[bytes], content_type: str, headers: Mapping[str, str] | None = None
) -> web.StreamResponse:
    """Send chunks as they are made."""
    response = web.StreamResponse(headers={"Content-Type": content_type, **(headers or {})})
    await response.prepare(request)
    async for chunk in chunks:
        await response.write(chunk)
    await response.write_eof()
    return response


async def stream_csv(request: web.Request, chunks: AsyncIterator[bytes], *, name: str) -> web.StreamResponse:
    """Send a CSV file, for download as `name`.csv."""
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return await stream(request, chunks, "text/csv; charset=utf-8", headers)


async def uploaded_chunks(request: web.Request) -> AsyncIterator[bytes]:
    """The bytes of one uploaded file: the body itself (text/csv), or the part `file` of a form.

    Raises a `Refusal` when the body is no such upload, is cut short, or is malformed.
    """
    if request.content_type not in ("text/csv", "multipart/form-data"):
        raise UnsupportedMediaType("Send text/csv, or a form with the part `file`.")
    chunks = request.content.iter_chunked(CHUNK) if request.content_type == "text/csv" else _file_of_form(request)
    try:
        async for chunk in chunks:
            yield chunk
    except web.RequestPayloadError as error:
        raise Malformed("The body could not be read completely.") from error


async def _file_of_form(request: web.Request) -> AsyncIterator[bytes]:
    try:
        parts = await request.multipart()
        found = False
        for _ in range(MAX_PARTS):
            part = await parts.next()
            if part is None:  # only a complete form has an end
                if not found:
                    raise Invalid.field("is missing", "body", "file")
                return
            if isinstance(part, BodyPartReader) and part.name == "file" and not found:
                found = True
                while chunk := await part.read_chunk(CHUNK):
                    yield bytes(chunk)
    except (ValueError, RuntimeError, AssertionError, HttpProcessingError) as error:  # of aiohttp's parser
        raise Malformed("The form is malformed or cut short.") from error
    raise Malformed(f"The form has {MAX_PARTS} parts or more.")
