"""Bytes on their way through us: counted, hashed, and passed on to the bucket while they arrive.

What is known of the length decides how. A form tells how long its file is but for a line break after its end: so parts
of known length are streamed on, and only the last few KiB wait until the end is seen. Small files wait whole, and are
one request. When nobody knows the length, whole parts are collected.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from hashlib import sha256
from typing import Self

from files.bucket import Bucket, Upload
from files.domain import BadForm, FileTooLarge, Received

LEAST_PART = 5 * 1024 * 1024  # S3's: only the last may be shorter
PART = 16 * 1024 * 1024
TAIL = 4 * 1024


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
    incoming: Incoming, announced: int | None, bucket: Bucket, key: str, *, content_type: str, disposition: str
) -> Received:
    """Store what comes in under `key`. What goes wrong may leave parts, or even the whole, in the bucket."""
    try:
        if announced is not None and announced <= LEAST_PART:
            await _send_whole(incoming, bucket, key, content_type, disposition)
        else:
            upload = await bucket.begin(key, content_type=content_type, disposition=disposition)
            async with _Parts(bucket, upload) as parts:
                for length in part_lengths(announced):
                    await parts.stream(incoming, length)
                while chunk := await incoming.collect(LEAST_PART):
                    await parts.add(chunk)
                await parts.complete()
    except Exception:
        if incoming.trouble is not None:
            raise incoming.trouble from None
        raise
    return incoming.received()


def part_lengths(announced: int | None) -> list[int]:
    """How to cut what is known of a file: parts large enough for S3, nearly equal, and a tail left over."""
    known = (announced or 0) - TAIL
    if known < LEAST_PART:
        return []
    count = max(1, known // PART)
    return [known // count + (1 if n < known % count else 0) for n in range(count)]


async def _send_whole(incoming: Incoming, bucket: Bucket, key: str, content_type: str, disposition: str) -> None:
    whole = await incoming.collect(LEAST_PART + TAIL)
    if await incoming.peek(1):
        raise BadForm.field("is longer than the request said", "body", "file")
    await bucket.put(key, whole, len(whole), content_type=content_type, disposition=disposition)


class _Parts:
    """The parts of one object. One that we hold is sent while the next one is collected: two in memory at most."""

    def __init__(self, bucket: Bucket, upload: Upload) -> None:
        self._bucket = bucket
        self._upload = upload
        self._tags: list[str] = []
        self._sending: asyncio.Task[str] | None = None

    async def stream(self, incoming: Incoming, length: int) -> None:
        """One part, sent as its bytes arrive."""
        body = incoming.take(length)
        try:
            self._tags.append(await self._bucket.put_part(self._upload, len(self._tags) + 1, body, length))
        finally:
            await body.aclose()

    async def add(self, chunk: bytes) -> None:
        """One part that we hold."""
        await self._settle()
        sending = self._bucket.put_part(self._upload, len(self._tags) + 1, chunk, len(chunk))
        self._sending = asyncio.create_task(sending)

    async def complete(self) -> None:
        await self._settle()
        await self._bucket.complete(self._upload, self._tags)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *trouble: object) -> None:
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.wait({self._sending})

    async def _settle(self) -> None:
        if self._sending is not None:
            sending, self._sending = self._sending, None
            self._tags.append(await sending)
