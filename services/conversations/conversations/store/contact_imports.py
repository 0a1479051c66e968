"""Reports of contact imports: their counts, and the outcome of each line."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

import asyncpg

Outcome = Literal["created", "updated", "unchanged", "rejected"]

KEPT_DAYS = 30
BEGIN = "insert into contact_imports (id, tenant_id) values ($1, $2)"
PRUNE = """
delete from contact_imports where tenant_id = $1 and created_at < clock_timestamp() - make_interval(days => $2)
"""
ADD_LINES = """
with new as (
    select * from unnest($2::int[], $3::text[], $4::text[], $5::text[]) as n (line, outcome, phone, reason)
), kept as (
    insert into contact_import_lines (import_id, line, outcome, phone, reason)
    select $1, line, outcome, phone, reason from new
)
update contact_imports set
    created = created + (select count(*) from new where outcome = 'created'),
    updated = updated + (select count(*) from new where outcome = 'updated'),
    unchanged = unchanged + (select count(*) from new where outcome = 'unchanged'),
    rejected = rejected + (select count(*) from new where outcome = 'rejected')
where id = $1
"""
FIND_LINES = "select phone, line from contact_import_lines where import_id = $1 and phone = any($2::text[])"
FINISH = "update contact_imports set finished_at = clock_timestamp(), failure = $2 where id = $1"
COLUMNS = "id, created_at, finished_at, failure, created, updated, unchanged, rejected"
GET = f"select {COLUMNS} from contact_imports where tenant_id = $1 and id = $2"
LIST_LINES = """
select line, outcome, phone, reason from contact_import_lines
where import_id = $1 and line > $2 and ($3::text is null or outcome = $3) order by line limit $4
"""
REJECTED = "select line, reason from contact_import_lines where import_id = $1 and outcome = 'rejected' order by line"


@dataclass(frozen=True)
class ContactImport:
    """An import. `finished_at` is None while it runs; `failure`: why it ended before the end of the file."""

    id: UUID
    created_at: datetime
    finished_at: datetime | None
    failure: str | None
    created: int
    updated: int
    unchanged: int
    rejected: int


@dataclass(frozen=True)
class ImportedLine:
    """What became of a line. `phone`: of a line that was not rejected; `reason`: of one that was."""

    line: int
    outcome: Outcome
    phone: str | None = None
    reason: str | None = None


async def begin_import(conn: asyncpg.Connection, tenant_id: UUID, import_id: UUID) -> None:
    """Begin a report. Those of the tenant that are older than `KEPT_DAYS` are deleted."""
    await conn.execute(PRUNE, tenant_id, KEPT_DAYS)
    await conn.execute(BEGIN, import_id, tenant_id)


async def find_lines(conn: asyncpg.Connection, import_id: UUID, phones: Sequence[str]) -> dict[str, int]:
    """The lines of this import that had these phones already."""
    return {row["phone"]: row["line"] for row in await conn.fetch(FIND_LINES, import_id, list(phones))}


async def add_lines(conn: asyncpg.Connection, import_id: UUID, lines: Sequence[ImportedLine]) -> None:
    """Add outcomes of lines, and count them."""
    columns = zip(*((each.line, each.outcome, each.phone, each.reason) for each in lines), strict=True)
    await conn.execute(ADD_LINES, import_id, *map(list, columns))


async def finish_import(conn: asyncpg.Connection, import_id: UUID, failure: str | None = None) -> None:
    await conn.execute(FINISH, import_id, failure)


async def find_import(conn: asyncpg.Connection, tenant_id: UUID, import_id: UUID) -> ContactImport | None:
    row = await conn.fetchrow(GET, tenant_id, import_id)
    return None if row is None else ContactImport(*row)


async def list_lines(
    conn: asyncpg.Connection, import_id: UUID, *, after: int, outcome: Outcome | None, limit: int
) -> list[ImportedLine]:
    """The outcomes of the lines after a line, in their order."""
    return [ImportedLine(*row) for row in await conn.fetch(LIST_LINES, import_id, after, outcome, limit)]


async def stream_rejected(conn: asyncpg.Connection, import_id: UUID) -> AsyncIterator[tuple[int, str]]:
    """The rejected lines, with their reasons."""
    async with conn.transaction(readonly=True):
        async for line, reason in conn.cursor(REJECTED, import_id, prefetch=1000):
            yield line, reason
