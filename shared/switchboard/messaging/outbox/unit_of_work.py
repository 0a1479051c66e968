"""One transaction of a service: its rows and its outgoing messages commit together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg

from switchboard.contracts.envelope import Envelope
from switchboard.contracts.message import Command, Event
from switchboard.messaging.outbox.rows import OutboxRow, add_rows, row_of
from switchboard.postgres.database import Database

OUTBOX = "outbox"  # the channel that wakes the relay


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
