"""CSV import of contacts: a batch at a time, in constant memory."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence, Set
from dataclasses import dataclass, replace
from uuid import UUID

from uuid_utils.compat import uuid7

from conversations.domain.contacts import ContactRow, RejectedLine, UnknownOwner, UnusableFile, columns_of, row_of
from conversations.domain.csv_encoding import TextDecoder, decode_escaped
from conversations.domain.csv_records import BrokenRecord, CsvRecords, Record, TooMuchWork
from conversations.store import contacts as store
from conversations.store.consents import name_consent_source
from switchboard.messaging.outbox.unit_of_work import open_work
from switchboard.postgres.database import Database
from switchboard.replica.user_replica import list_user_ids
from switchboard.runtime.phones import spellings_of

BATCH = 1000
SLICE = 4096  # bytes that are parsed at once; then other requests get their turn
MAX_UNKNOWN_USERS = 100  # asked of auth for one file; a file with more of them names invented ids

IsUser = Callable[[UUID], Awaitable[bool]]
"""Asks the auth service whether the tenant has this user. Raises an `Unavailable` when auth does not answer."""


@dataclass
class ContactImportReport:
    """Counts of an import. `on_rejected` is called with (line, reason) for each rejected line."""

    on_rejected: Callable[[int, str], None]
    created: int = 0
    updated: int = 0
    rejections: int = 0

    def reject(self, line: int, reason: str) -> None:
        self.on_rejected(line, reason)
        self.rejections += 1


async def import_contacts(
    database: Database,
    tenant_id: UUID,
    chunks: AsyncIterator[bytes],
    region: str,
    report: ContactImportReport,
    is_user: IsUser | None = None,
) -> None:
    """Create or update a contact for each valid line. Each batch commits, so that an import can be repeated safely.

    `is_user` is asked about owners that are missing in the user replica. Raises `UnusableFile` when the file is not CSV
    of contacts or has too many lines; `report` tells what is saved by then.
    """
    async with database.connection() as conn:
        users = set(await list_user_ids(conn, tenant_id))
    unknown: set[UUID] = set()
    columns: list[str] | None = None
    batch: dict[str, ContactRow] = {}  # by one spelling of the number
    async for line, fields in _records(chunks):
        if columns is None:
            columns = columns_of([] if isinstance(fields, BrokenRecord) else fields)
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
            report.reject(line, str(reason))
            continue
        number = min(spellings_of(row.phone))
        if number in batch or len(batch) >= BATCH:
            await _save(database, tenant_id, batch, report)
        batch[number] = row
    if columns is None:
        raise UnusableFile("the file is empty")
    await _save(database, tenant_id, batch, report)


def _row(fields: list[str] | BrokenRecord, columns: Sequence[str], region: str, users: Set[UUID]) -> ContactRow:
    if isinstance(fields, BrokenRecord):
        raise fields
    if len(fields) != len(columns):
        raise RejectedLine(f"{len(fields)} fields instead of {len(columns)}")
    return row_of({name: field for name, field in zip(columns, fields, strict=True) if name}, region, users)


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


async def _save(database: Database, tenant_id: UUID, batch: dict[str, ContactRow], report: ContactImportReport) -> None:
    if not batch:
        return
    async with open_work(database, tenant_id=tenant_id) as work:
        await name_consent_source(work.conn, "import")
        known = await store.known_spellings(work.conn, tenant_id, [row.phone for row in batch.values()])
        rows = [replace(row, phone=known[row.phone]) for row in batch.values()]
        rows.sort(key=lambda row: row.phone)  # every import locks in this order: no deadlock
        created, updated = await store.save_contacts(work.conn, tenant_id, rows, [uuid7() for _ in rows])
    report.created += created
    report.updated += updated
    batch.clear()
