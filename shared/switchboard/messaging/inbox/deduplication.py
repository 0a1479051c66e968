"""Inbox deduplication: the exactly-once effect of messages that are delivered at least once."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from uuid import UUID

import asyncpg
from opentelemetry.trace import SpanKind
from structlog.contextvars import bound_contextvars

from switchboard.contracts.consumers import Subscription
from switchboard.contracts.envelope import Envelope
from switchboard.contracts.message import Message
from switchboard.messaging.inbox.delivery_policy import Unhandled
from switchboard.messaging.inbox.subscriptions import Handler
from switchboard.messaging.outbox.rows import add_rows
from switchboard.messaging.outbox.unit_of_work import Work, notify_committed
from switchboard.postgres.database import Database
from switchboard.runtime.tracing import span

ADD_SEEN = """
insert into inbox (subscription, event_id) select $1, id from unnest($2::uuid[]) id
on conflict do nothing returning event_id
"""


@dataclass(frozen=True)
class TransactionalEffect:
    """The effect of a subscription's handlers on the service's own database.

    One transaction holds the inbox rows, the handlers' rows and their outgoing messages. A message that has an inbox
    row already is skipped.
    """

    database: Database
    subscription: Subscription
    handlers: Mapping[str, tuple[type[Message], Handler]]

    async def __call__(self, envelopes: list[Envelope]) -> None:
        async with self.database.transaction() as conn:
            batch = Work(conn, self.database.service)
            new = await self._add_to_inbox(conn, envelopes)
            for envelope in envelopes:
                if envelope.id in new:
                    new.remove(envelope.id)  # a batch may hold a message twice
                    await self._handle(envelope, replace(batch, tenant_id=envelope.tenant_id, envelope=envelope))
            await add_rows(conn, batch.rows)
        notify_committed(self.database, batch)

    async def _add_to_inbox(self, conn: asyncpg.Connection, envelopes: list[Envelope]) -> set[UUID]:
        """The ids of the messages that have not been handled yet."""
        ids = sorted({envelope.id for envelope in envelopes})  # in one order for all consumers: no deadlock
        rows = await conn.fetch(ADD_SEEN, self.subscription.queue, ids)
        return {row["event_id"] for row in rows}

    async def _handle(self, envelope: Envelope, work: Work) -> None:
        message_class, handler = self._handler_of(envelope)
        with _context_of(envelope):
            await handler(message_class.read(envelope.data), work)

    def _handler_of(self, envelope: Envelope) -> tuple[type[Message], Handler]:
        try:
            return self.handlers[envelope.type]
        except KeyError:
            raise Unhandled(f"{self.subscription.queue} doesn't handle {envelope.type!r}") from None


def _context_of(envelope: Envelope) -> ExitStack:
    """Inside the block, log lines carry the message's ids, and outgoing messages its trace."""
    stack = ExitStack()
    stack.enter_context(span(f"handle {envelope.type}", kind=SpanKind.CONSUMER, parent=envelope.traceparent))
    stack.enter_context(bound_contextvars(event_id=str(envelope.id), tenant_id=str(envelope.tenant_id or "")))
    return stack
