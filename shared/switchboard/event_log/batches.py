"""Batches as they are published and stored. Their lines are taken apart only for entries that someone here sees."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from redis.asyncio import Redis

BATCHES = "log2:batches"
"""The key of the stream of the last batches."""


class MalformedBatch(Exception):
    """Not a batch of this release's layout."""


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """An entry of the log. The fields are bytes as they were appended: most are passed on untouched."""

    position: int
    room: bytes
    rest: bytes

    @property
    def parts(self) -> list[bytes]:
        """Type, event id, time, traceparent and data."""
        return self.rest.split(b" ", 4)


@dataclass(frozen=True, slots=True)
class Batch:
    """Entries that were appended together. `before`: the position of the log before them; `last`: their last one."""

    before: int
    last: int
    lines: list[bytes]

    @classmethod
    def parse(cls, text: bytes) -> Self:
        """Raises `MalformedBatch`."""
        head, *lines = text.split(b"\n")
        try:
            before, last = head.split(b" ")
            return cls(int(before), int(last), lines)
        except ValueError:
            raise MalformedBatch(f"not a batch: {head[:100]!r}") from None

    def entries(self) -> Iterator[tuple[bytes, bytes, bytes]]:
        """Of each entry: tenant, room, and what `stored_entry` takes apart."""
        for line in self.lines:
            tenant, room, rest = line.split(b" ", 2)
            yield tenant, room, rest


def channel_of(redis: Redis) -> str:
    """The channel of batches. Channels are common to all databases of a server, so it names the database."""
    return f"{BATCHES}:{redis.connection_pool.connection_kwargs.get('db') or 0}"


def stored_entry(room: bytes, rest: bytes) -> StoredEntry:
    """The entry of a line, without its tenant."""
    position, _, rest = rest.partition(b" ")
    return StoredEntry(int(position), room, rest)
