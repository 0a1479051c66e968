"""An incremental CSV parser: text in chunks to records. A line break inside quotes does not end a record.

The first line tells the separator: a comma, a semicolon or a tab, whichever it has most of, or what `sep=` names.

A line that is not CSV, or with quotes that never end, is rejected alone, and parsing continues with the next line.
"""

import csv
import re
from collections.abc import Iterator

MAX_RECORD = 64 * 1024
MAX_LINES_OF_RECORD = 100
MAX_UNENDED = 1000  # records with quotes that do not end: each parses its lines again
MAX_LINES = 1_000_000
SEPARATORS = ",;\t"
SEP_LINE = re.compile(rf"sep=([{SEPARATORS}])\s*", re.IGNORECASE)  # as spreadsheets write and read it


class BrokenRecord(ValueError):
    """This record can't be parsed. The text gives the reason."""


class TooMuchWork(ValueError):
    """This text would take too much time. The text of the error gives the reason."""


Record = tuple[int, list[str] | BrokenRecord]
"""The number of its first line, and its fields."""


class CsvRecords:
    """Parses text that is fed in chunks; holds one record at most. Line breaks must be `\\n`.

    Raises `TooMuchWork`: the work is bounded by the number of lines, blank ones too, and of quotes that do not end.
    """

    def __init__(self) -> None:
        self._rest = ""
        self._open: list[str] = []  # the lines of a record with open quotes
        self._size = 0
        self._line = 0
        self._skipping = False
        self._unended = 0
        self._separator = ""  # until the first line

    def feed(self, text: str) -> Iterator[Record]:
        """Parse a chunk. Yields each record that it completes."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            if self._skipping:
                self._skipping = False
            else:
                yield from self._take(line + "\n")
        if self._skipping:
            self._rest = ""
        elif len(self._rest) > MAX_RECORD:
            yield from self._skip_line()

    def end(self) -> Iterator[Record]:
        """Yield the remaining records at the end of the text."""
        last, self._rest, self._skipping = self._rest, "", False
        if last:
            yield from self._take(last)
        while self._open:
            yield from self._reject_first_line()

    def _take(self, line: str) -> Iterator[Record]:
        self._line += 1
        if self._line > MAX_LINES:
            raise TooMuchWork(f"the file has more than {MAX_LINES} lines")
        if not self._separator:
            named = SEP_LINE.fullmatch(line)
            self._separator = named[1] if named else _separator_of(line)
            if named:
                return
        self._open.append(line)
        self._size += len(line)
        if _has_open_quotes(line, self._separator, inside=len(self._open) > 1):
            if self._size > MAX_RECORD or len(self._open) > MAX_LINES_OF_RECORD:
                yield from self._reject_first_line()
            return
        began, record = self._line - len(self._open) + 1, self._open
        self._open, self._size = [], 0
        fields = _fields(record, self._separator)
        if isinstance(fields, BrokenRecord) or any(field.strip() for field in fields):
            yield began, fields

    def _skip_line(self) -> Iterator[Record]:
        """Reject a line that is too long, and continue with the next."""
        while self._open:
            yield from self._reject_first_line()
        self._line += 1
        self._rest, self._skipping = "", True
        yield self._line, BrokenRecord(f"is longer than {MAX_RECORD} characters")

    def _reject_first_line(self) -> Iterator[Record]:
        """Reject the first line of the open record alone, and parse its other lines again."""
        self._unended += 1
        if self._unended > MAX_UNENDED:
            raise TooMuchWork(f"the quotes of more than {MAX_UNENDED} lines do not end")
        _, *others = self._open
        self._line -= len(others)
        self._open, self._size = [], 0
        yield self._line, BrokenRecord("its quotes do not end")
        for line in others:
            yield from self._take(line)


def _separator_of(line: str) -> str:
    """The separator that the line has most of outside of quotes. A comma where it has none."""
    unquoted = "".join(line.split('"')[::2])
    return max(SEPARATORS, key=unquoted.count)


def _has_open_quotes(line: str, separator: str, *, inside: bool) -> bool:
    if '"' not in line:
        return inside
    try:
        for _ in csv.reader(['"' + line if inside else line], delimiter=separator, strict=True):
            pass
    except csv.Error as error:
        return "unexpected end of data" in str(error)
    return False


def _fields(record: list[str], separator: str) -> list[str] | BrokenRecord:
    try:
        return next(csv.reader(record, delimiter=separator, strict=True), [])
    except csv.Error as error:
        return BrokenRecord(f"is not CSV: {error}")
