"""What clients send, read with suspicion: everything that a client of this service has no reason to send is refused.

The libraries' own readers keep what they are sent (a packet may announce ten thousand million attachments), let a
client call the handlers of `connect` and `disconnect`, and write a stack trace to the log for what they can't read.
"""

from __future__ import annotations

from typing import Any

from engineio.exceptions import ContentTooLongError, EngineIOError
from engineio.payload import Payload
from socketio.packet import ACK, CONNECT, DISCONNECT, EVENT, Packet

LONGEST_ENVELOPE = 16  # of Engine.IO's packets that aren't messages: "2probe", "3", ...
OURS = frozenset({"connect", "disconnect"})  # names of events that happen, and that nobody sends


class Senseless(EngineIOError):  # type: ignore[misc]
    """Nobody with good intentions sends this."""


def check_frame(frame: object) -> str:
    """A WebSocket's message that Engine.IO can read. Raises `Senseless`."""
    if not isinstance(frame, str) or frame[:1] not in tuple("0123456"):
        raise Senseless("not a packet of Engine.IO, or a binary one")
    if frame[0] != "4" and len(frame) > LONGEST_ENVELOPE:
        raise Senseless("a packet longer than any of its kind")
    return frame


def read_payload(body: bytes, longest: int) -> list[Any]:
    """The packets of a poll's body. Raises `EngineIOError`."""
    if len(body) > longest:
        raise ContentTooLongError
    try:
        text = body.decode()
        for frame in text.removeprefix("d=").split("\x1e") if text else ():
            check_frame(frame)
        return list(Payload(encoded_payload=text).packets)
    except (ValueError, LookupError) as trouble:
        raise Senseless(str(trouble)) from None


def read_packet(message: object) -> Packet:
    """A packet of Socket.IO, without attachments. Raises `Senseless`."""
    if not isinstance(message, str):
        raise Senseless("binary")
    try:
        packet = Packet(encoded_packet=message)
    except (ValueError, LookupError, TypeError, RecursionError) as trouble:
        raise Senseless(str(trouble)) from None
    if packet.packet_type not in (CONNECT, DISCONNECT, EVENT, ACK):
        raise Senseless("a kind of packet that clients don't send here")
    if packet.packet_type == EVENT and not _is_event(packet.data):
        raise Senseless("no event")
    return packet


def _is_event(data: object) -> bool:
    return isinstance(data, list) and bool(data) and isinstance(data[0], str) and data[0] not in OURS
