"""The outbox table: its rows, and the SQL that writes, reads and deletes them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
from uuid_utils.compat import uuid7

from switchboard.contracts.envelope import Envelope
from switchboard.contracts.message import Command, Event
from switchboard.messaging.broker.routing import exchange_of, routing_key
from switchboard.runtime.tracing import current_traceparent, new_traceparent

INSERT_INTO_OUTBOX = "insert into outbox (event_id, exchange, routing_key, type, subject, body)"
"""Followed by a select of these columns. For a statement that also writes the service's own tables."""

ADD_ROWS = f"""{INSERT_INTO_OUTBOX}
select event_id, exchange, routing_key, type, subject, body
from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[])
     with ordinality as row (event_id, exchange, routing_key, type, subject, body, position)
order by position
"""  # noqa: S608
# Both parts see the table as it was before. Not "id greater than the last one": sequences commit out of order. No row
# locks: only the leader reads, and inboxes skip a message that was sent twice.
DROP_SENT_AND_LIST_NEXT = """
with sent as (delete from outbox where id = any($1::bigint[]))
select event_id, exchange, routing_key, type, subject, body, id from outbox
where id <> all($1::bigint[]) and subject <> all($2::text[])
order by id limit $3
"""
LIST_BY_ID = """
select event_id, exchange, routing_key, type, subject, body, id from outbox where id = any($1::bigint[]) order by id
"""
DROP_SENT = "delete from outbox where id = any($1::bigint[])"
MEASURE = """
select (select count(*) from (select from outbox limit 100000) counted),
       coalesce((select extract(epoch from clock_timestamp() - created_at)::float from outbox order by id limit 1), 0)
"""


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A message to write to the outbox."""

    event_id: UUID
    exchange: str
    routing_key: str
    type: str
    subject: str
    body: bytes


@dataclass(frozen=True, slots=True)
class UnsentRow(OutboxRow):
    """A message in the outbox that the broker has not confirmed yet."""

    id: int


def envelope_of(
    message: Event | Command,
    *,
    source: str,
    tenant_id: UUID | None,
    id: UUID | None = None,
    sequence: int | None = None,
    traceparent: str | None = None,
) -> Envelope:
    """The message in its envelope, with a new id unless one is given.

    `traceparent`: None for the current trace, or a new one outside of any.
    """
    return Envelope(
        id=id or uuid7(),
        source=source,
        type=message.type,
        subject=message.subject,
        time=datetime.now(UTC),
        data=message.model_dump(mode="json", by_alias=True),
        tenant_id=tenant_id,
        traceparent=traceparent or current_traceparent() or new_traceparent(),
        sequence=sequence,
    )


def encode_row(message: Event | Command, envelope: Envelope) -> OutboxRow:
    """Encode a message for the outbox."""
    return OutboxRow(
        event_id=envelope.id,
        exchange=exchange_of(type(message)),
        routing_key=routing_key(message, envelope.tenant_id),
        type=message.type,
        subject=message.subject,
        body=envelope.encode(),
    )


def row_of(message: Event | Command, *, source: str, tenant_id: UUID | None, id: UUID | None = None) -> OutboxRow:
    """Encode a message for the outbox, with a new id unless one is given."""
    return encode_row(message, envelope_of(message, source=source, tenant_id=tenant_id, id=id))


def columns_of(rows: Sequence[OutboxRow]) -> tuple[list[Any], ...]:
    """The rows as six arrays for `unnest`, in the order of the columns of `INSERT_INTO_OUTBOX`."""
    return (
        [row.event_id for row in rows],
        [row.exchange for row in rows],
        [row.routing_key for row in rows],
        [row.type for row in rows],
        [row.subject for row in rows],
        [row.body for row in rows],
    )


async def add_rows(conn: asyncpg.Connection, rows: Sequence[OutboxRow]) -> None:
    """Write messages to the outbox in this order, in one statement."""
    if rows:
        await conn.execute(ADD_ROWS, *columns_of(rows))


async def drop_sent_and_list_next(
    conn: asyncpg.Connection, sent: Collection[int], *, except_subjects: Collection[str], limit: int
) -> list[UnsentRow]:
    """Delete rows that the broker has confirmed, and return the oldest others but for some subjects."""
    rows = await conn.fetch(DROP_SENT_AND_LIST_NEXT, list(sent), list(except_subjects), limit)
    return [UnsentRow(*row) for row in rows]


async def list_by_id(conn: asyncpg.Connection, ids: Collection[int]) -> list[UnsentRow]:
    return [UnsentRow(*row) for row in await conn.fetch(LIST_BY_ID, list(ids))]


async def drop_sent(conn: asyncpg.Connection, ids: Collection[int]) -> None:
    """Delete rows that the broker has confirmed."""
    await conn.execute(DROP_SENT, list(ids))


async def measure(conn: asyncpg.Connection) -> tuple[int, float]:
    """The number of rows, counted up to 100,000, and how long the oldest has waited, in seconds."""
    row = await conn.fetchrow(MEASURE)
    return (row[0], row[1]) if row is not None else (0, 0.0)
