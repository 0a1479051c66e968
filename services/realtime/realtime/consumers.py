"""From the bus to the log: which room an event belongs to. The only decision that realtime makes."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from uuid import UUID

import orjson

from realtime.fanout.rooms import REVOCATIONS, TENANT_ROOM, user_room
from realtime.log.entries import Event
from realtime.log.event_log import EventLog
from switchboard.contracts.auth import SessionRevoked
from switchboard.contracts.consumers import subscriptions_of
from switchboard.contracts.envelope import Envelope, Unreadable
from switchboard.contracts.message import Event as EventClass
from switchboard.messaging.inbox.subscriptions import Subscriptions

(FEED,) = subscriptions_of("realtime")
VISIBLE_TO = {cls.type: cls.visible_to for cls in FEED.types if issubclass(cls, EventClass)}


def subscriptions(log: EventLog) -> Subscriptions:
    """The table of messages and their handlers: one feed, appended in batches."""
    subs = Subscriptions("realtime")
    subs.on_batch(FEED.name, partial(append_to_log, log=log), log.check)
    return subs


async def append_to_log(envelopes: list[Envelope], log: EventLog) -> None:
    """Add the events that somebody may see, in order. The same event again changes nothing. Raises `Unreadable`."""
    events: dict[UUID, list[Event]] = defaultdict(list)
    revoked: list[UUID] = []
    for envelope in envelopes:
        room = room_of(envelope)
        if room is None or envelope.tenant_id is None:
            continue
        events[envelope.tenant_id].append(_event(envelope, room))
        if room == REVOCATIONS:
            revoked += SessionRevoked.read(envelope.data).session_ids
    await log.append(events, revoked)


def room_of(envelope: Envelope) -> str | None:
    """The room of those who may see it; None for an event that is nobody's to see."""
    if envelope.type == SessionRevoked.type:
        return REVOCATIONS
    match VISIBLE_TO.get(envelope.type):
        case "tenant":
            return TENANT_ROOM
        case "user":
            try:
                return user_room(UUID(envelope.data["user_id"]))
            except (KeyError, ValueError, AttributeError, TypeError):
                raise Unreadable(f"{envelope.type} doesn't say whom it concerns") from None
        case _:
            return None


def _event(envelope: Envelope, room: str) -> Event:
    at = envelope.time.isoformat().replace("+00:00", "Z")
    data = orjson.dumps(envelope.data)
    return Event(str(envelope.id), envelope.type, at, room, data, envelope.traceparent or "")
