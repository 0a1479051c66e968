"""One transaction of a service: its rows and its outgoing messages commit together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
from uuid_utils.compat import uuid7

from switchboard.contracts.envelope import Envelope
from switchboard.contracts.message import Command, Event
from switchboard.messaging.broker.routing import exchange_of, routing_key
from switchboard.postgres.database import Database
from switchboard.runtime.tracing import current_traceparent

OUTBOX = "outbox"  # the channel that wakes the relay

ADD_ROWS = """
insert into outbox (event_id, exchange, routing_key, type, subject, body)
select event_id, exchange, routing_key, type, subject, body
from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[])
     with ordinality as row (event_id, exchange, routing_key, type, subject, body, position)
order by position
"""


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One message on its way out, as the `outbox` table keeps it."""

    event_id: UUID
    exchange: str
    routing_key: str
    type: str
    subject: str
    body: bytes


@dataclass
class Work:
    """What an action needs: the connection in its transaction, whose tenant it acts for, and `publish`.

    `envelope` is that of the message being handled, None in a request.
    """

    conn: asyncpg.Connection
    source: str
    tenant_id: UUID | None = None
    envelope: Envelope | None = None
    rows: list[OutboxRow] = field(default_factory=list)
    nudges: set[str] = field(default_factory=set)

    async def publish(self, message: Event | Command, *, tenant_id: UUID | None = None, id: UUID | None = None) -> UUID:
        """Write the message down, to be sent once this transaction has committed. Returns its id.

        `tenant_id`: another than the work's own. `id`: one derived from what happened, where doing it again must not
        make a second message. Lock the aggregate's row first: order is promised for messages of one subject.
        """
        row = row_of(message, source=self.source, tenant_id=tenant_id or self.tenant_id, id=id)
        self.rows.append(row)
        return row.event_id

    def notify(self, channel: str) -> None:
        """Wake who listens on `channel`, once this transaction has committed."""
        self.nudges.add(channel)


def row_of(message: Event | Command, *, source: str, tenant_id: UUID | None, id: UUID | None = None) -> OutboxRow:
    """The message as it will be sent, with a fresh id unless one is given."""
    envelope = Envelope(
        id=id or uuid7(),
        source=source,
        type=message.type,
        subject=message.subject,
        time=datetime.now(UTC),
        data=message.model_dump(mode="json", by_alias=True),
        tenant_id=tenant_id,
        traceparent=current_traceparent(),
    )
    return OutboxRow(
        event_id=envelope.id,
        exchange=exchange_of(type(message)),
        routing_key=routing_key(message, tenant_id),
        type=message.type,
        subject=message.subject,
        body=envelope.encode(),
    )


@asynccontextmanager
async def open_work(database: Database, *, tenant_id: UUID | None) -> AsyncIterator[Work]:
    """A transaction, committed with its messages at the end of the block; then the relay is woken."""
    async with database.transaction() as conn:
        work = Work(conn, database.service, tenant_id)
        yield work
        await add_rows(conn, work.rows)
    wake(database, work)


def wake(database: Database, work: Work) -> None:
    """After the commit: the relay, when there is something to send, and whoever the work named."""
    for channel in work.nudges | ({OUTBOX} if work.rows else set()):
        database.notify(channel)


async def add_rows(conn: asyncpg.Connection, rows: list[OutboxRow]) -> None:
    """Write messages to the outbox in this order, in one statement."""
    if not rows:
        return
    await conn.execute(
        ADD_ROWS,
        [row.event_id for row in rows],
        [row.exchange for row in rows],
        [row.routing_key for row in rows],
        [row.type for row in rows],
        [row.subject for row in rows],
        [row.body for row in rows],
    )
