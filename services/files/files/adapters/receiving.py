"""Bytes on their way through us: counted, hashed, and passed on to the bucket while they arrive.

What is known of the length decides how. A form tells how long its file is, but for the line break after its end, which
some clients leave out: so the file is streamed on as one object of that length, and what follows in the rare case is
added. (As parts it would be written twice: a store puts parts together by copying them.) Small files wait whole. When
nobody knows the length, parts are collected and sent. What waits takes `Room`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from hashlib import sha256

from files.adapters.bucket import Bucket
from files.adapters.memory_budget import Room
from files.domain.files import BadForm, FileTooLarge, Received

LEAST_PART = 5 * 1024 * 1024  # S3's: only the last may be shorter
LINE_BREAK = 2  # bytes


class Incoming:
    """A stream of bytes, counted and hashed as it is read, and refused as soon as it is too long."""

    def __init__(self, chunks: AsyncIterator[bytes], limit: int) -> None:
        self._chunks = chunks
        self._limit = limit
        self._hash = sha256()
        self._waiting: list[bytes] = []  # read already and not yet given out
        self.size = 0
        self.trouble: Exception | None = None

    async def peek(self, length: int) -> bytes:
        """The first bytes, so many if there are; they will be given out again."""
        while sum(map(len, self._waiting)) < length and (chunk := await self._read()):
            self._waiting.append(chunk)
        return b"".join(self._waiting)[:length]

    async def take(self, length: int) -> AsyncGenerator[bytes, None]:
        """The next bytes, just so many. Raises `BadForm` when there aren't, and keeps in `trouble` what it raised:
        an HTTP client that sends them says no more than that something went wrong."""
        try:
            while length > 0:
                chunk = await self._next()
                if not chunk:
                    raise BadForm.field("is shorter than the request said", "body", "file")
                if len(chunk) > length:
                    self._waiting.insert(0, chunk[length:])
                    chunk = chunk[:length]
                length -= len(chunk)
                yield chunk
        except Exception as error:
            self.trouble = error
            raise

    async def collect(self, length: int) -> bytes:
        """The next bytes, at most so many."""
        found: list[bytes] = []
        while length > 0 and (chunk := await self._next()):
            if len(chunk) > length:
                self._waiting.insert(0, chunk[length:])
                chunk = chunk[:length]
            length -= len(chunk)
            found.append(chunk)
        return b"".join(found)

    def received(self) -> Received:
        """What it was, once all is read."""
        return Received(self.size, self._hash.hexdigest())

    async def _next(self) -> bytes:
        return self._waiting.pop(0) if self._waiting else await self._read()

    async def _read(self) -> bytes:
        chunk = await anext(self._chunks, b"")
        self.size += len(chunk)
        if self.size > self._limit:
            raise FileTooLarge
        self._hash.update(chunk)
        return chunk


async def pass_on(
    incoming: Incoming,
    announced: int | None,
    bucket: Bucket,
    key: str,
    *,
    content_type: str,
    disposition: str,
    room: Room,
) -> Received:
    """Store what comes in under `key`. What goes wrong may leave parts, or even the whole, in the bucket."""
    try:
        async with room.taken(held(announced)):
            if announced is None:
                await _send_parts(incoming, bucket, key, content_type, disposition)
            elif announced <= LEAST_PART:
                await _send_whole(incoming, bucket, key, content_type, disposition)
            else:
                await _stream(incoming, announced, bucket, key, content_type, disposition)
    except Exception:
        if incoming.trouble is not None:
            raise incoming.trouble from None
        raise
    return incoming.received()


def held(announced: int | None) -> int:
    """How many bytes of such a file are in memory at a time."""
    if announced is None:
        return 2 * LEAST_PART
    return announced if announced <= LEAST_PART else LINE_BREAK


async def _send_whole(incoming: Incoming, bucket: Bucket, key: str, content_type: str, disposition: str) -> None:
    whole = await incoming.collect(LEAST_PART + LINE_BREAK)
    await _expect_end(incoming)
    await bucket.put(key, whole, len(whole), content_type=content_type, disposition=disposition)


async def _stream(
    incoming: Incoming, announced: int, bucket: Bucket, key: str, content_type: str, disposition: str
) -> None:
    body = incoming.take(announced)
    try:
        await bucket.put(key, body, announced, content_type=content_type, disposition=disposition)
    finally:
        await body.aclose()
    rest = await incoming.collect(LINE_BREAK)
    await _expect_end(incoming)
    if rest:
        whole = _after(bucket, key, rest)
        await bucket.put(key, whole, announced + len(rest), content_type=content_type, disposition=disposition)


async def _after(bucket: Bucket, key: str, rest: bytes) -> AsyncIterator[bytes]:
    """What the object holds, and the rest of it."""
    async with bucket.read(key) as chunks:
        async for chunk in chunks:
            yield chunk
    yield rest


async def _expect_end(incoming: Incoming) -> None:
    if await incoming.peek(1):
        raise BadForm.field("is longer than the request said", "body", "file")


async def _send_parts(incoming: Incoming, bucket: Bucket, key: str, content_type: str, disposition: str) -> None:
    """Each part is sent while the next one is collected: two in memory at most."""
    upload = await bucket.begin(key, content_type=content_type, disposition=disposition)
    tags: list[str] = []
    sending: asyncio.Task[str] | None = None
    try:
        while chunk := await incoming.collect(LEAST_PART):
            if sending is not None:
                tags.append(await sending)
            sending = asyncio.create_task(bucket.put_part(upload, len(tags) + 1, chunk, len(chunk)))
        if sending is not None:
            tags.append(await sending)
    finally:
        if sending is not None:
            sending.cancel()
            await asyncio.wait({sending})
    await bucket.complete(upload, tags)
