"""Bytes on their way through us: counted, hashed, and passed on to the bucket while they arrive.

What is known of the length decides how. A form tells how long its file is but for a line break after its end: so parts
of known length are streamed on, and only the last few KiB wait until the end is seen. Small files wait whole, and are
one request. When nobody knows the length, whole parts are collected. What waits takes `Room`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from hashlib import sha256
from typing import Self

from files.bucket import Body, Bucket, Upload
from files.domain import BadForm, FileTooLarge, Received
from files.room import Room

LEAST_PART = 5 * 1024 * 1024  # S3's: only the last may be shorter
PART = 16 * 1024 * 1024
TAIL = 4 * 1024
MOST_PARTS = 3  # of one upload under way


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
            if announced is not None and announced <= LEAST_PART:
                await _send_whole(incoming, bucket, key, content_type, disposition)
                return incoming.received()
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


def held(announced: int | None) -> int:
    """How many bytes of such a file are in memory at a time."""
    if announced is None:
        return 2 * LEAST_PART
    return announced if announced <= LEAST_PART else TAIL


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
    """The parts of one object. The next one begins as soon as the last one's bytes are all handed over, while the store
    still has to say that it has them."""

    def __init__(self, bucket: Bucket, upload: Upload) -> None:
        self._bucket = bucket
        self._upload = upload
        self._sending: list[asyncio.Task[str]] = []

    async def stream(self, incoming: Incoming, length: int) -> None:
        """One part, sent as its bytes arrive."""
        handed_over = asyncio.Event()

        async def body() -> AsyncIterator[bytes]:
            async for chunk in incoming.take(length):
                yield chunk
            handed_over.set()

        sending = await self._begin(body(), length)
        waiting = asyncio.create_task(handed_over.wait())
        await asyncio.wait({sending, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if sending.done():
            sending.result()

    async def add(self, chunk: bytes) -> None:
        """One part that we hold. It is sent while the next one is collected: two in memory at most."""
        await self._settle(all_but=0)
        await self._begin(chunk, len(chunk))

    async def complete(self) -> None:
        await self._settle(all_but=0)
        await self._bucket.complete(self._upload, [sent.result() for sent in self._sending])

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *trouble: object) -> None:
        for sending in self._sending:
            sending.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)

    async def _begin(self, body: Body, length: int) -> asyncio.Task[str]:
        await self._settle(all_but=MOST_PARTS - 1)
        putting = self._bucket.put_part(self._upload, len(self._sending) + 1, body, length)
        self._sending.append(asyncio.create_task(putting))
        return self._sending[-1]

    async def _settle(self, all_but: int) -> None:
        """Until the store has said so of all parts but the last ones. Raises what went wrong with one."""
        for sending in self._sending[: len(self._sending) - all_but]:
            await sending
