"""What happens to a message that arrives: the one place where delivery policy is stated.

A message is handled in one transaction with its inbox row (subscription, event id): seen before, it is skipped. The
handler's rows, its outgoing messages and the inbox row commit together; the acknowledgement follows the commit.
Waiting messages share one transaction, and are taken one by one when it fails.

- A server of ours is away (`Unavailable`): nobody's fault. The consumer lets its messages return, and comes back when a
  probe says that the server did. This is never counted against a message. A server that is there but ends the
  message's work, for another's lock or the time it took (`Contended`), isn't away: see "anything else".
- The message can't be read, or the handler refuses it (`Refusal`): parked at once.
- A type that isn't handled here (`Unhandled`): a newer instance may know it. Tried again as anything else, and where
  order matters the place is given to whoever waits for it, each time.
- Anything else: tried again with growing pauses. Where order matters in place, for at most 30 seconds, while only
  its partition waits; where it doesn't, through the delay queues. Then parked.

Parked means: in `<service>.<subscription>.dead`, with reason, handler and attempts in its headers; later messages of
its subject go on. A side effect outside Postgres is keyed by the message's id, or looks at the state first.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from uuid import UUID

import asyncpg
import structlog
from pydantic import ValidationError

from switchboard.contracts.consumers import Subscription
from switchboard.contracts.envelope import Envelope, Unreadable
from switchboard.contracts.message import Message
from switchboard.messaging.inbox.subscriptions import Effect, Handler
from switchboard.messaging.outbox.rows import add_rows
from switchboard.messaging.outbox.unit_of_work import Work, wake
from switchboard.postgres.database import Database
from switchboard.runtime.refusals import Refusal
from switchboard.runtime.tracing import continue_trace
from switchboard.runtime.unavailable import Contended, Unavailable

ADD_SEEN = """
insert into inbox (subscription, event_id) select $1, id from unnest($2::uuid[]) id
on conflict do nothing returning event_id
"""

log = structlog.get_logger(__name__)


class Unhandled(Exception):
    """A message of a type that this subscription doesn't handle, in this release."""


@dataclass(frozen=True)
class TransactionalEffect:
    """The effect of a subscription's handlers on the service's own database."""

    database: Database
    subscription: Subscription
    handlers: Mapping[str, tuple[type[Message], Handler]]

    async def __call__(self, envelopes: list[Envelope]) -> None:
        async with self.database.transaction() as conn:
            whole = Work(conn, self.database.service)
            fresh = await self._mark_seen(conn, envelopes)
            for envelope in envelopes:
                if envelope.id in fresh:
                    fresh.remove(envelope.id)  # the same one twice in a batch
                    await self._handle(envelope, replace(whole, tenant_id=envelope.tenant_id, envelope=envelope))
            await add_rows(conn, whole.rows)
        wake(self.database, whole)

    async def _mark_seen(self, conn: asyncpg.Connection, envelopes: list[Envelope]) -> set[UUID]:
        ids = sorted({envelope.id for envelope in envelopes})  # one order for all: no deadlock between consumers
        found = await conn.fetch(ADD_SEEN, self.subscription.queue, ids)
        return {row["event_id"] for row in found}

    async def _handle(self, envelope: Envelope, work: Work) -> None:
        message_class, handler = self._handler_of(envelope)
        with in_context(envelope):
            await handler(message_class.read(envelope.data), work)

    def _handler_of(self, envelope: Envelope) -> tuple[type[Message], Handler]:
        try:
            return self.handlers[envelope.type]
        except KeyError:
            raise Unhandled(f"{self.subscription.queue} doesn't handle {envelope.type!r}") from None


def in_context(envelope: Envelope) -> ExitStack:
    """Log lines and outgoing messages inside the block carry the message's ids and trace."""
    stack = ExitStack()
    stack.enter_context(continue_trace(envelope.traceparent))
    stack.enter_context(
        structlog.contextvars.bound_contextvars(event_id=str(envelope.id), tenant_id=str(envelope.tenant_id or ""))
    )
    return stack


def handler_name(effect: Effect, message_type: str) -> str:
    """What handles this type, for the operator who finds it among the dead letters."""
    if isinstance(effect, TransactionalEffect) and message_type in effect.handlers:
        handler = effect.handlers[message_type][1]
        return f"{handler.__module__}.{handler.__qualname__}"
    return getattr(effect, "__qualname__", type(effect).__qualname__)


def is_permanent(error: Exception) -> bool:
    """Whether trying again can't help."""
    return isinstance(error, (Unreadable, ValidationError, Refusal))


def is_outage(error: Exception) -> bool:
    """Whether a server is away, and no message to blame."""
    return isinstance(error, Unavailable) and not isinstance(error, Contended)
