"""Streaming of CSV and other answers and uploads that are too large for memory."""

from collections.abc import AsyncIterator, Mapping

from aiohttp import BodyPartReader, web

from switchboard.runtime.refusals import Invalid, Malformed, UnsupportedMediaType

CHUNK = 64 * 1024


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
    """The bytes of one uploaded file: the body itself (text/csv), or the part `file` of a form."""
    if request.content_type == "text/csv":
        async for chunk in request.content.iter_chunked(CHUNK):
            yield chunk
        return
    if request.content_type != "multipart/form-data":
        raise UnsupportedMediaType("Send text/csv, or a form with the part `file`.")
    try:
        async for part in await request.multipart():
            if isinstance(part, BodyPartReader) and part.name == "file":
                while chunk := await part.read_chunk(CHUNK):
                    yield bytes(chunk)
                return
    except ValueError as error:
        raise Malformed("The form is malformed.") from error
    raise Invalid.field("is missing", "body", "file")
