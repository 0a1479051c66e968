"""Consumer of all events: appends those that clients may see to the event log."""

from functools import partial
from uuid import UUID

from realtime.log.event_log import EventLog
from switchboard.contracts.auth import SessionRevoked
from switchboard.contracts.consumers import subscriptions_of
from switchboard.contracts.envelope import Envelope
from switchboard.event_log import REVOCATIONS, LogEntry, entry_of
from switchboard.messaging.inbox.subscriptions import Subscriptions

(EVENTS,) = subscriptions_of("realtime")


def subscriptions(log: EventLog) -> Subscriptions:
    """The table of messages and their handlers: all events, appended in batches."""
    subs = Subscriptions("realtime")
    subs.on_batch(EVENTS.name, partial(append_to_log, log=log), log.check)
    return subs


async def append_to_log(envelopes: list[Envelope], log: EventLog) -> None:
    """Append the events that clients may see, in order and without duplicates. Raises `Unreadable`."""
    entries: list[LogEntry] = []
    revoked: list[UUID] = []
    for envelope in envelopes:
        entry = entry_of(envelope)
        if entry is None:
            continue
        entries.append(entry)
        if entry.room == REVOCATIONS:
            revoked += SessionRevoked.read(envelope.data).session_ids
    await log.append(entries, revoked)
