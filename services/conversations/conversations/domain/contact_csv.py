"""CSV text, as it arrives in pieces, cut into records: a line break inside quotes is none.

A line that is no CSV, or whose quotes never end, is rejected alone; what follows it is read all the same.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator

LONGEST_RECORD = 64 * 1024


class BrokenRecord(ValueError):
    """This line can't be read. The text says why."""


Record = tuple[int, list[str] | BrokenRecord]
"""The line it began on, and its fields."""


class Records:
    """Keeps one record. Line breaks must come as `\\n`."""

    def __init__(self) -> None:
        self._rest = ""
        self._open: list[str] = []  # the lines of a record whose quotes go on
        self._size = 0
        self._line = 0
        self._skipping = False

    def feed(self, text: str) -> Iterator[Record]:
        """Each record that is complete now."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            if self._skipping:
                self._skipping = False
            else:
                yield from self._take(line + "\n")
        if self._skipping:
            self._rest = ""
        elif len(self._rest) > LONGEST_RECORD:
            yield from self._skip_line()

    def end(self) -> Iterator[Record]:
        """What is left when all has arrived."""
        last, self._rest, self._skipping = self._rest, "", False
        if last:
            yield from self._take(last)
        while self._open:
            yield from self._give_up()

    def _take(self, line: str) -> Iterator[Record]:
        self._line += 1
        self._open.append(line)
        self._size += len(line)
        if _quotes_go_on(line, inside=len(self._open) > 1):
            if self._size > LONGEST_RECORD:
                yield from self._give_up()
            return
        began, record = self._line - len(self._open) + 1, self._open
        self._open, self._size = [], 0
        fields = _fields(record)
        if isinstance(fields, BrokenRecord) or any(field.strip() for field in fields):
            yield began, fields

    def _skip_line(self) -> Iterator[Record]:
        """Too long to be kept; the line after it is looked at again."""
        while self._open:
            yield from self._give_up()
        self._line += 1
        self._rest, self._skipping = "", True
        yield self._line, BrokenRecord(f"is longer than {LONGEST_RECORD} characters")

    def _give_up(self) -> Iterator[Record]:
        """Its first line alone is broken; the others are looked at for themselves."""
        _, *others = self._open
        self._line -= len(others)
        self._open, self._size = [], 0
        yield self._line, BrokenRecord("its quotes do not end")
        for line in others:
            yield from self._take(line)


def _quotes_go_on(line: str, *, inside: bool) -> bool:
    if '"' not in line:
        return inside
    try:
        for _ in csv.reader(['"' + line if inside else line], strict=True):
            pass
    except csv.Error as error:
        return "unexpected end of data" in str(error)
    return False


def _fields(record: list[str]) -> list[str] | BrokenRecord:
    try:
        return next(csv.reader(record, strict=True), [])
    except csv.Error as error:
        return BrokenRecord(f"is not CSV: {error}")
