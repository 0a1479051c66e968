"""CSV import of contacts: a batch at a time, in constant memory."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence, Set
from dataclasses import replace
from uuid import UUID

from uuid_utils.compat import uuid7

from conversations.actions.contacts import report_import
from conversations.domain.contact_columns import ColumnMapping, map_columns
from conversations.domain.contacts import ContactRow, RejectedLine, UnknownOwner, UnusableFile, row_of
from conversations.domain.csv_encoding import TextDecoder, decode_escaped
from conversations.domain.csv_records import BrokenRecord, CsvRecords, Record, TooMuchWork
from conversations.store import contact_imports as reports
from conversations.store import contacts as store
from conversations.store.consents import name_consent_source
from conversations.store.contact_imports import ContactImport, ImportedLine
from switchboard.messaging.outbox.unit_of_work import Work, open_work
from switchboard.postgres.database import Database
from switchboard.replica.user_replica import list_user_ids
from switchboard.runtime.phones import spellings_of
from switchboard.runtime.refusals import Refusal

BATCH = 1000
SLICE = 4096  # bytes that are parsed at once; then other requests get their turn
MAX_UNKNOWN_USERS = 100  # asked of auth for one file; a file with more of them names invented ids

MapHeader = Callable[[Sequence[str]], ColumnMapping]
"""Finds the fields of the columns that the first line names. Raises `UnusableFile`."""

IsUser = Callable[[UUID], Awaitable[bool]]
"""Asks the auth service whether the tenant has this user. Raises an `Unavailable` when auth does not answer."""


async def import_contacts(
    database: Database,
    tenant_id: UUID,
    chunks: AsyncIterator[bytes],
    region: str,
    import_id: UUID,
    is_user: IsUser | None = None,
    map_header: MapHeader = map_columns,
) -> ContactImport:
    """Create or update a contact for each valid line, and keep the outcome of each. Returns the counts.

    Each batch commits, with its outcomes. A number comes once in a file: a later line with it is rejected. `is_user` is
    asked about owners that are missing in the user replica. Raises `UnusableFile` when the file is not CSV of contacts
    or has too many lines; the report tells what is saved by then.
    """
    async with database.connection() as conn:
        await reports.begin_import(conn, tenant_id, import_id)
        users = set(await list_user_ids(conn, tenant_id))
    batch = _Batch(database, tenant_id, import_id)
    try:
        await _read_lines(_records(chunks), map_header, region, users, is_user, batch)
    except Refusal as refusal:
        await batch.finish(str(refusal))
        raise
    except BaseException:
        await batch.finish("the import was interrupted")
        raise
    await batch.save()
    return await batch.finish()


async def read_beginning(
    chunks: AsyncIterator[bytes], map_header: MapHeader, lines: int
) -> tuple[ColumnMapping, list[dict[str, str]]]:
    """The fields of the columns, and those of the first lines. Raises `UnusableFile`."""
    mapping: ColumnMapping | None = None
    found: list[dict[str, str]] = []
    async for _, fields in _records(chunks):
        if mapping is None:
            mapping = map_header([] if isinstance(fields, BrokenRecord) else fields)
        elif not isinstance(fields, BrokenRecord) and len(fields) == len(mapping.columns):
            found.append(mapping.fields_of(fields))
        if len(found) == lines:
            break
    if mapping is None:
        raise UnusableFile("the file is empty")
    return mapping, found


async def _read_lines(
    records: AsyncIterator[Record],
    map_header: MapHeader,
    region: str,
    users: set[UUID],
    is_user: IsUser | None,
    batch: "_Batch",
) -> None:
    unknown: set[UUID] = set()
    columns: ColumnMapping | None = None
    async for line, fields in records:
        if columns is None:
            columns = map_header([] if isinstance(fields, BrokenRecord) else fields)
            continue
        try:
            try:
                row = _row(fields, columns, region, users)
            except UnknownOwner as error:
                if is_user is None or error.owner_id in unknown or len(unknown) >= MAX_UNKNOWN_USERS:
                    raise
                (users if await is_user(error.owner_id) else unknown).add(error.owner_id)
                row = _row(fields, columns, region, users)
        except (RejectedLine, BrokenRecord) as reason:
            batch.reject(line, str(reason))
        else:
            batch.add(line, row)
        if batch.is_full:
            await batch.save()
    if columns is None:
        raise UnusableFile("the file is empty")


class _Batch:
    """Lines that are saved together. Each number is known by one of its spellings."""

    def __init__(self, database: Database, tenant_id: UUID, import_id: UUID) -> None:
        self._database = database
        self._tenant_id = tenant_id
        self._import_id = import_id
        self._rows: dict[str, tuple[int, ContactRow]] = {}
        self._rejected: list[ImportedLine] = []

    @property
    def is_full(self) -> bool:
        return len(self._rows) + len(self._rejected) >= BATCH

    def add(self, line: int, row: ContactRow) -> None:
        first, _ = self._rows.setdefault(min(spellings_of(row.phone)), (line, row))
        if first != line:
            self.reject(line, f"the number of line {first} again")

    def reject(self, line: int, reason: str) -> None:
        self._rejected.append(ImportedLine(line, "rejected", reason=reason))

    async def save(self) -> None:
        """Save the lines and their outcomes, in one transaction."""
        if not self._rows and not self._rejected:
            return
        async with open_work(self._database, tenant_id=self._tenant_id) as work:
            for number, first in (await reports.find_lines(work.conn, self._import_id, list(self._rows))).items():
                self.reject(self._rows.pop(number)[0], f"the number of line {first} again")
            outcomes = await self._save_contacts(work) if self._rows else []
            await reports.add_lines(work.conn, self._import_id, [*outcomes, *self._rejected])
        self._rows.clear()
        self._rejected.clear()

    async def _save_contacts(self, work: Work) -> list[ImportedLine]:
        await name_consent_source(work.conn, "import")
        phones = [row.phone for _, row in self._rows.values()]
        known = await store.known_spellings(work.conn, self._tenant_id, phones)
        rows = [replace(row, phone=known[row.phone]) for _, row in self._rows.values()]
        rows.sort(key=lambda row: row.phone)  # every import locks in this order: no deadlock
        saved = await store.save_contacts(work.conn, self._tenant_id, rows, [uuid7() for _ in rows])
        return [
            ImportedLine(line, saved.get(known[row.phone], "unchanged"), phone=number)
            for number, (line, row) in self._rows.items()
        ]

    async def finish(self, failure: str | None = None) -> ContactImport:
        """End the report, and publish the counts."""
        async with open_work(self._database, tenant_id=self._tenant_id) as work:
            await reports.finish_import(work.conn, self._import_id, failure)
            found = await reports.find_import(work.conn, self._tenant_id, self._import_id)
            assert found is not None
            await report_import(work, found)
        return found


def _row(fields: list[str] | BrokenRecord, mapping: ColumnMapping, region: str, users: Set[UUID]) -> ContactRow:
    if isinstance(fields, BrokenRecord):
        raise fields
    if len(fields) != len(mapping.columns):
        raise RejectedLine(f"{len(fields)} fields instead of {len(mapping.columns)}")
    return row_of(mapping.fields_of(fields), region, users)


async def _records(chunks: AsyncIterator[bytes]) -> AsyncIterator[Record]:
    records, decoder = CsvRecords(), TextDecoder()
    try:
        async for chunk in chunks:
            for at in range(0, len(chunk), SLICE):
                for line, fields in records.feed(decoder.decode(chunk[at : at + SLICE])):
                    yield line, _decoded(fields)
                await asyncio.sleep(0)
        for line, fields in [*records.feed(decoder.decode(b"", final=True)), *records.end()]:
            yield line, _decoded(fields)
    except UnicodeDecodeError:
        raise UnusableFile("the file begins like UTF-16, and is not") from None
    except TooMuchWork as error:
        raise UnusableFile(str(error)) from None


def _decoded(fields: list[str] | BrokenRecord) -> list[str] | BrokenRecord:
    if isinstance(fields, BrokenRecord):
        return fields
    try:
        return [decode_escaped(field) for field in fields]
    except UnicodeDecodeError:
        return BrokenRecord("is neither UTF-8 nor Windows-1252")
