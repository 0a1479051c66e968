"""Entries to append, and which room of clients an event belongs to."""

from dataclasses import dataclass
from uuid import UUID

import orjson

from switchboard.contracts.auth import SessionRevoked
from switchboard.contracts.consumers import subscriptions_of
from switchboard.contracts.envelope import Envelope, Unreadable
from switchboard.contracts.message import Event

TENANT_ROOM = "tenant"
REVOCATIONS = "revocations"
"""The room of revoked sessions. No client is in it: realtime itself ends these sessions."""

_VISIBLE_TO = {
    cls.type: cls.visible_to
    for subscription in subscriptions_of("realtime")
    for cls in subscription.types
    if issubclass(cls, Event)
}


@dataclass(frozen=True, slots=True)
class LogEntry:
    """An event to append. `data` is JSON without line breaks, encoded once for all clients.

    `sequence`: its number among the events of its subject, without gaps from 1 on. None: its subject has no numbers.
    """

    tenant: UUID
    subject: str
    sequence: int | None
    id: str
    type: str
    time: str
    room: str
    data: bytes
    trace: str = ""

    @property
    def rest(self) -> bytes:
        """The part of a line of the log that follows the position."""
        return b"%b %b %b %b %b" % (
            self.type.encode(),
            self.id.encode(),
            self.time.encode(),
            self.trace.encode(),
            self.data,
        )


def user_room(user_id: UUID | str) -> str:
    """The room of one user."""
    return f"user:{user_id}"


def room_of(envelope: Envelope) -> str | None:
    """The room of the users who may see the event. None: no client sees it. Raises `Unreadable`."""
    if envelope.type == SessionRevoked.type:
        return REVOCATIONS
    match _VISIBLE_TO.get(envelope.type):
        case "tenant":
            return TENANT_ROOM
        case "user":
            try:
                return user_room(UUID(envelope.data["user_id"]))
            except (KeyError, ValueError, AttributeError, TypeError):
                raise Unreadable(f"{envelope.type} has no valid user_id") from None
        case _:
            return None


def entry_of(envelope: Envelope) -> LogEntry | None:
    """The entry of an event. None: no client sees it. Raises `Unreadable`."""
    room = room_of(envelope)
    if room is None or envelope.tenant_id is None:
        return None
    return LogEntry(
        tenant=envelope.tenant_id,
        subject=envelope.subject,
        sequence=envelope.sequence,
        id=str(envelope.id),
        type=envelope.type,
        time=envelope.time.isoformat().replace("+00:00", "Z"),
        room=room,
        data=orjson.dumps(envelope.data),
        trace="".join((envelope.traceparent or "").split()),  # a line of the log is split at spaces
    )
