"""Consumer of all events: decides which room an event belongs to, and appends it to the log of its tenant."""

from collections import defaultdict
from functools import partial
from uuid import UUID

import orjson

from realtime.fanout.rooms import REVOCATIONS, TENANT_ROOM, user_room
from realtime.log.entries import TenantEntry
from realtime.log.event_log import EventLog
from switchboard.contracts.auth import SessionRevoked
from switchboard.contracts.consumers import subscriptions_of
from switchboard.contracts.envelope import Envelope, Unreadable
from switchboard.contracts.message import Event
from switchboard.messaging.inbox.subscriptions import Subscriptions

(FEED,) = subscriptions_of("realtime")
VISIBLE_TO = {cls.type: cls.visible_to for cls in FEED.types if issubclass(cls, Event)}


def subscriptions(log: EventLog) -> Subscriptions:
    """The table of messages and their handlers: one feed, appended in batches."""
    subs = Subscriptions("realtime")
    subs.on_batch(FEED.name, partial(append_to_log, log=log), log.check)
    return subs


async def append_to_log(envelopes: list[Envelope], log: EventLog) -> None:
    """Append the events that clients may see, in order and without duplicates. Raises `Unreadable`."""
    entries: dict[UUID, list[TenantEntry]] = defaultdict(list)
    revoked: list[UUID] = []
    for envelope in envelopes:
        room = room_of(envelope)
        if room is None or envelope.tenant_id is None:
            continue
        entries[envelope.tenant_id].append(_log_entry(envelope, room))
        if room == REVOCATIONS:
            revoked += SessionRevoked.read(envelope.data).session_ids
    await log.append(entries, revoked)


def room_of(envelope: Envelope) -> str | None:
    """The room of the users who may see the event. None: no client sees it."""
    if envelope.type == SessionRevoked.type:
        return REVOCATIONS
    match VISIBLE_TO.get(envelope.type):
        case "tenant":
            return TENANT_ROOM
        case "user":
            try:
                return user_room(UUID(envelope.data["user_id"]))
            except (KeyError, ValueError, AttributeError, TypeError):
                raise Unreadable(f"{envelope.type} has no valid user_id") from None
        case _:
            return None


def _log_entry(envelope: Envelope, room: str) -> TenantEntry:
    time = envelope.time.isoformat().replace("+00:00", "Z")
    data = orjson.dumps(envelope.data)
    return TenantEntry(str(envelope.id), envelope.type, time, room, data, envelope.traceparent or "")
