"""Contacts as a table of lines: what a CSV file may say of them."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from conversations.domain.phones import NotAPhone, to_e164
from switchboard.runtime.refusals import Conflict, Invalid

COLUMNS = ("phone", "name", "tags", "owner_id", "opted_out")
LONGEST_RECORD = 64 * 1024
YES = frozenset({"true", "yes", "1", "y", "t"})
NO = frozenset({"false", "no", "0", "n", "f", ""})


class PhoneTaken(Conflict):
    """There is a contact with this phone already."""

    code = "contact_exists"


class UnusableFile(Invalid):
    """The file can't be read as contacts."""

    code = "unusable_file"


class Rejected(ValueError):
    """A line that says nothing usable. The text says why."""


@dataclass(frozen=True)
class ContactRow:
    """One line. None: the file does not say."""

    phone: str
    name: str | None = None
    tags: tuple[str, ...] = ()
    owner_id: UUID | None = None
    opted_out: bool | None = None


class Records:
    """CSV text, as it arrives in pieces, cut into records: a line break inside quotes is none. Keeps one record."""

    def __init__(self) -> None:
        self._rest = ""
        self._record: list[str] = []
        self._quotes = 0
        self._line = 0
        self._began = 1

    def feed(self, text: str) -> list[tuple[int, list[str]]]:
        """(line it began on, fields) of each record that is complete now. Raises `UnusableFile` for an endless one."""
        *lines, self._rest = (self._rest + text).split("\n")
        found = [record for line in lines if (record := self._take(line + "\n"))]
        if len(self._rest) + sum(map(len, self._record)) > LONGEST_RECORD:
            raise UnusableFile(f"the record on line {self._began} does not end")
        return found

    def end(self) -> list[tuple[int, list[str]]]:
        """What is left when all has arrived."""
        last, self._rest = self._rest, ""
        record = self._take(last, at_end=True) if last or self._record else None
        return [record] if record else []

    def _take(self, line: str, *, at_end: bool = False) -> tuple[int, list[str]] | None:
        self._line += 1
        if not self._record:
            self._began = self._line
        self._record.append(line)
        self._quotes += line.count('"')
        if self._quotes % 2 and not at_end:
            return None
        fields = next(csv.reader(self._record), [])
        self._record, self._quotes = [], 0
        return (self._began, fields) if any(field.strip() for field in fields) else None


def columns_of(header: Sequence[str]) -> list[str]:
    """The column names of the first record. Raises `UnusableFile`."""
    names = [name.strip().lstrip("\ufeff").lower() for name in header]
    unknown = [name for name in names if name not in COLUMNS]
    if "phone" not in names or unknown or len(set(names)) < len(names):
        raise UnusableFile(f"the first line must name columns out of {', '.join(COLUMNS)}; phone is needed")
    return names


def row_of(fields: Mapping[str, str], region: str, users: frozenset[UUID]) -> ContactRow:
    """Raises `Rejected`."""
    try:
        phone = to_e164(fields.get("phone", "").strip(), region)
    except NotAPhone as error:
        raise Rejected(str(error)) from None
    if "\0" in "".join(fields.values()):
        raise Rejected("contains NUL")
    tags = tuple(dict.fromkeys(tag.strip() for tag in fields.get("tags", "").split(";") if tag.strip()))
    return ContactRow(
        phone=phone,
        name=fields.get("name", "").strip() or None,
        tags=tags,
        owner_id=_owner(fields.get("owner_id", "").strip(), users),
        opted_out=_yes_or_no(fields.get("opted_out", "").strip().lower()),
    )


def _owner(text: str, users: frozenset[UUID]) -> UUID | None:
    if not text:
        return None
    try:
        owner = UUID(text)
    except ValueError:
        raise Rejected(f"owner_id {text!r} is not an id") from None
    if owner not in users:
        raise Rejected(f"owner_id {text} is no user of this tenant")
    return owner


def _yes_or_no(text: str) -> bool | None:
    if text in YES:
        return True
    if text in NO:
        return False if text else None
    raise Rejected(f"opted_out {text!r} is neither yes nor no")
