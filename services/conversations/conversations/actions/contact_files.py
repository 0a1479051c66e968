"""Contacts by the file: CSV in and out, a batch at a time, in constant memory."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence, Set
from dataclasses import dataclass
from uuid import UUID

from uuid_utils.compat import uuid7

from conversations.domain.contact_csv import BrokenRecord, Record, Records
from conversations.domain.contacts import COLUMNS, ContactRow, Rejected, UnknownOwner, UnusableFile, columns_of, row_of
from conversations.store import contacts as store
from switchboard.messaging.outbox.unit_of_work import open_work
from switchboard.postgres.database import Database
from switchboard.replica.user_replica import list_user_ids

BATCH = 1000
MOST_STRANGERS = 100  # who are asked about; of a file that names more, somebody made the ids up

IsUser = Callable[[UUID], Awaitable[bool]]
"""Asks auth itself: whether the tenant has this user. Raises an `Unavailable` when auth doesn't answer."""


@dataclass
class Report:
    """What became of a file's lines. `tell` is given each rejected one, as it is met: (line, reason)."""

    tell: Callable[[int, str], None]
    created: int = 0
    updated: int = 0
    rejections: int = 0

    def reject(self, line: int, reason: str) -> None:
        self.tell(line, reason)
        self.rejections += 1


async def import_contacts(
    database: Database,
    tenant_id: UUID,
    chunks: AsyncIterator[bytes],
    region: str,
    report: Report,
    is_user: IsUser | None = None,
) -> None:
    """Each good line is a contact made or changed; each batch commits, so that importing again goes on harmlessly.

    `is_user` is asked of those whom no event told of yet. Raises `UnusableFile` when the file as a whole is none.
    """
    async with database.connection() as conn:
        users = set(await list_user_ids(conn, tenant_id))
    strangers: set[UUID] = set()
    columns: list[str] | None = None
    batch: dict[str, ContactRow] = {}
    async for line, fields in _records(chunks):
        if columns is None:
            columns = columns_of([] if isinstance(fields, BrokenRecord) else fields)
            continue
        try:
            try:
                row = _row(fields, columns, region, users)
            except UnknownOwner as unknown:
                if is_user is None or unknown.owner_id in strangers or len(strangers) >= MOST_STRANGERS:
                    raise
                (users if await is_user(unknown.owner_id) else strangers).add(unknown.owner_id)
                row = _row(fields, columns, region, users)
        except (Rejected, BrokenRecord) as reason:
            report.reject(line, str(reason))
            continue
        if row.phone in batch or len(batch) >= BATCH:
            await _save(database, tenant_id, batch, report)
        batch[row.phone] = row
    if columns is None:
        raise UnusableFile("the file is empty")
    await _save(database, tenant_id, batch, report)


def _row(fields: list[str] | BrokenRecord, columns: Sequence[str], region: str, users: Set[UUID]) -> ContactRow:
    if isinstance(fields, BrokenRecord):
        raise fields
    if len(fields) != len(columns):
        raise Rejected(f"{len(fields)} fields instead of {len(columns)}")
    return row_of(dict(zip(columns, fields, strict=True)), region, users)


async def _records(chunks: AsyncIterator[bytes]) -> AsyncIterator[Record]:
    records = Records()
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8-sig")(), translate=True)
    try:
        async for chunk in chunks:
            for record in records.feed(decoder.decode(chunk)):
                yield record
        for record in records.feed(decoder.decode(b"", final=True)):
            yield record
    except UnicodeDecodeError:
        raise UnusableFile("the file is not UTF-8") from None
    for record in records.end():
        yield record


async def _save(database: Database, tenant_id: UUID, batch: dict[str, ContactRow], report: Report) -> None:
    if not batch:
        return
    rows = sorted(batch.values(), key=lambda row: row.phone)  # one order for all: no deadlock between imports
    async with open_work(database, tenant_id=tenant_id) as work:
        created, updated = await store.save_contacts(work.conn, tenant_id, rows, [uuid7() for _ in rows])
    report.created += created
    report.updated += updated
    batch.clear()


async def export_contacts(
    database: Database, tenant_id: UUID, *, q: str | None = None, tag: str | None = None
) -> AsyncIterator[bytes]:
    """CSV that `import_contacts` takes, a page at a time."""
    yield _csv([COLUMNS])
    after = UUID(int=0)
    while True:
        async with database.connection() as conn:
            found = await store.list_contacts(conn, tenant_id, after=after, q=q, tag=tag, limit=BATCH)
        if not found:
            return
        yield _csv(
            [(c.phone, c.name or "", ";".join(c.tags), c.owner_id or "", str(c.opted_out).lower()) for c in found]
        )
        after = found[-1].id


def _csv(rows: Sequence[tuple[object, ...]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()
