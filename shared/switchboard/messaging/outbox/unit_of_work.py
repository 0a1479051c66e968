"""The unit of work: one transaction that commits a service's rows together with its outgoing messages."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg

from switchboard.contracts.envelope import Envelope
from switchboard.contracts.message import Command, Event
from switchboard.messaging.outbox.rows import OutboxRow, add_rows, encode_row, envelope_of
from switchboard.postgres.database import Database
from switchboard.runtime.message_log import log_messages

OUTBOX = "outbox"  # the NOTIFY channel that wakes the outbox relay at once
OUTBOX_LATER = "outbox_later"  # wakes it only if it sleeps; else its next tick is soon enough
LATER_SECONDS = 1.0
"""How rarely the relay is woken for numbered events: clients get them by hints, so that nobody waits for the bus."""


@dataclass
class Work:
    """The unit of work that an action gets: a connection in its transaction, the tenant, and `publish`.

    `envelope` belongs to the message that is being handled; None in an HTTP request.
    """

    conn: asyncpg.Connection
    source: str
    tenant_id: UUID | None = None
    envelope: Envelope | None = None
    rows: list[OutboxRow] = field(default_factory=list)
    published: list[Envelope] = field(default_factory=list)
    """The messages of `rows`, and those that an action's own statement wrote to the outbox."""
    notifications: set[str] = field(default_factory=set)

    async def publish(
        self,
        message: Event | Command,
        *,
        tenant_id: UUID | None = None,
        id: UUID | None = None,
        sequence: int | None = None,
    ) -> UUID:
        """Write the message to the outbox. The relay sends it after the commit. Returns its id.

        `tenant_id`: of another tenant than the work's. `id`: derived from the cause, where a repetition must not make a
        second message. `sequence`: its number, if its subject has numbers. Lock the aggregate's row first: only
        messages of one subject keep their order.
        """
        tenant = tenant_id or self.tenant_id
        envelope = envelope_of(message, source=self.source, tenant_id=tenant, id=id, sequence=sequence)
        self.rows.append(encode_row(message, envelope))
        self.published.append(envelope)
        return envelope.id

    def notify(self, channel: str) -> None:
        """Wake the listeners of `channel` after the commit."""
        self.notifications.add(channel)


@asynccontextmanager
async def open_work(database: Database, *, tenant_id: UUID | None) -> AsyncIterator[Work]:
    """A transaction, committed with its messages at the end of the block. Then it wakes the outbox relay."""
    async with database.transaction() as conn:
        work = Work(conn, database.service, tenant_id)
        yield work
        await add_rows(conn, work.rows)
    notify_committed(database, work)


def notify_committed(database: Database, work: Work) -> None:
    """After the commit, report the messages that were published, and wake the listeners that the work named."""
    report_published(database, work.published)
    for channel in work.notifications:
        database.notify(channel)


def report_published(database: Database, published: Sequence[Envelope]) -> None:
    """After the commit of messages, give them to `Database.on_published`'s listener and wake the outbox relay."""
    if not published:
        return
    log_messages("committed", published)
    database.published(published)
    if all(envelope.sequence is not None for envelope in published):
        database.notify(OUTBOX_LATER, at_most_every=LATER_SECONDS)
    else:
        database.notify(OUTBOX)
