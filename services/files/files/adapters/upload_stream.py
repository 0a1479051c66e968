"""An upload in transit: its bytes are counted, hashed and written to the bucket while they arrive.

How they are written depends on what is known of the length:

- up to 5 MiB: the file is collected whole;
- longer: it is streamed as one object of that length. The length of a multipart form tells the file's, except for what
  follows the form's end: a line break, which some clients omit, and rarely an epilogue. In these cases the object is
  written a second time, with its last bytes or without the padding. (As parts it would always be written twice: stores
  join parts by copying them.)
- unknown: an S3 multipart upload, part by part.

Bytes in memory are reserved from the `MemoryBudget`.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from hashlib import sha256

from files.adapters.bucket import Bucket
from files.adapters.memory_budget import MemoryBudget
from files.domain.files import BadForm, FileTooLarge, Received

PART_SIZE = 5 * 1024 * 1024  # the least that S3 takes; only the last part may be shorter
LINE_BREAK = 2  # bytes
PADDING = 64 * 1024


class UploadStream:
    """Counts and hashes the bytes that are read from it. Raises `FileTooLarge` as soon as they exceed the limit."""

    def __init__(self, chunks: AsyncIterator[bytes], limit: int) -> None:
        self._chunks = chunks
        self._limit = limit
        self._hash = sha256()
        self._buffer: list[bytes] = []  # received and not yet read
        self.size = 0
        self.error: Exception | None = None

    async def peek(self, length: int) -> bytes:
        """The first bytes, at most this many. Later reads return them again."""
        while sum(map(len, self._buffer)) < length and (chunk := await self._receive()):
            self._buffer.append(chunk)
        return b"".join(self._buffer)[:length]

    async def take(self, length: int, *, padded: bool = False) -> AsyncGenerator[bytes, None]:
        """The next bytes, exactly this many. Raises `BadForm` when there are fewer; `padded`: zeros follow instead.

        Keeps what it raised in `error`: an HTTP client that sends these bytes hides the cause of its failure.
        """
        try:
            while length > 0:
                chunk = await self._next(length)
                if not chunk and padded:
                    chunk = bytes(min(length, PADDING))
                elif not chunk:
                    raise BadForm.field("is shorter than the request said", "body", "file")
                length -= len(chunk)
                yield chunk
        except Exception as error:
            self.error = error
            raise

    async def collect(self, length: int) -> bytes:
        """The next bytes, at most this many."""
        found: list[bytes] = []
        while length > 0 and (chunk := await self._next(length)):
            length -= len(chunk)
            found.append(chunk)
        return b"".join(found)

    async def expect_end(self) -> None:
        """Raise `BadForm` if there are more bytes."""
        if await self.peek(1):
            raise BadForm.field("is longer than the request said", "body", "file")

    def received(self) -> Received:
        """Size and hash, once all is read."""
        return Received(self.size, self._hash.hexdigest())

    async def _next(self, most: int) -> bytes:
        chunk = self._buffer.pop(0) if self._buffer else await self._receive()
        if len(chunk) > most:
            self._buffer.insert(0, chunk[most:])
        return chunk[:most]

    async def _receive(self) -> bytes:
        chunk = await anext(self._chunks, b"")
        self.size += len(chunk)
        if self.size > self._limit:
            raise FileTooLarge
        self._hash.update(chunk)
        return chunk


@dataclass(frozen=True)
class ObjectWriter:
    """Writes one object of the bucket from an upload."""

    bucket: Bucket
    key: str
    content_type: str
    disposition: str

    async def write(self, stream: UploadStream, length: int | None, memory: MemoryBudget) -> Received:
        """Store the stream's bytes. A failure may leave parts, or even the whole object, in the bucket."""
        try:
            async with memory.reserve(bytes_in_memory(length)):
                if length is None:
                    await self._write_parts(stream)
                elif length <= PART_SIZE:
                    await self._write_whole(stream)
                else:
                    await self._write_streamed(stream, length)
        except Exception:
            if stream.error is not None:
                raise stream.error from None
            raise
        return stream.received()

    async def _write_whole(self, stream: UploadStream) -> None:
        whole = await stream.collect(PART_SIZE + LINE_BREAK)
        await stream.expect_end()
        await self._put(whole, len(whole))

    async def _write_streamed(self, stream: UploadStream, length: int) -> None:
        body = stream.take(length, padded=True)
        try:
            await self._put(body, length)
        finally:
            await body.aclose()
        kept = min(stream.size, length)
        rest = await stream.collect(LINE_BREAK)
        await stream.expect_end()
        if rest or kept < length:
            await self._put(self._stored(kept, rest), kept + len(rest))

    async def _put(self, body: bytes | AsyncIterator[bytes], length: int) -> None:
        await self.bucket.put(self.key, body, length, content_type=self.content_type, disposition=self.disposition)

    async def _stored(self, length: int, rest: bytes) -> AsyncIterator[bytes]:
        """The first bytes of the object as it is, then `rest`."""
        async with self.bucket.read(self.key) as chunks:
            async for chunk in chunks:
                yield chunk[:length]
                length -= min(len(chunk), length)
                if not length:
                    break
        if rest:
            yield rest

    async def _write_parts(self, stream: UploadStream) -> None:
        """Send each part while the next one is collected: at most two are in memory."""
        upload = await self.bucket.begin_multipart(
            self.key, content_type=self.content_type, disposition=self.disposition
        )
        etags: list[str] = []
        sending: asyncio.Task[str] | None = None
        try:
            while chunk := await stream.collect(PART_SIZE):
                if sending is not None:
                    etags.append(await sending)
                sending = asyncio.create_task(self.bucket.put_part(upload, len(etags) + 1, chunk))
            if sending is not None:
                etags.append(await sending)
        finally:
            if sending is not None:
                sending.cancel()
                await asyncio.wait({sending})
        await self.bucket.complete_multipart(upload, etags)


def bytes_in_memory(length: int | None) -> int:
    """The bytes of a file of this length that are in memory at a time."""
    if length is None:
        return 2 * PART_SIZE
    return length if length <= PART_SIZE else LINE_BREAK
