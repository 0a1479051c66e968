"""Strict parsing of the packets that clients send: every packet that this service has no use for is refused.

The libraries' own parsers keep all that they are sent (a packet may announce ten thousand million attachments), let a
client call the handlers of `connect` and `disconnect`, and log a stack trace for each packet that they can't parse.
"""

from typing import Any

from engineio.exceptions import ContentTooLongError, EngineIOError
from engineio.payload import Payload
from socketio.packet import ACK, CONNECT, DISCONNECT, EVENT, Packet

MAX_CONTROL_FRAME = 16  # of Engine.IO's packets that aren't messages: "2probe", "3", ...
RESERVED_EVENTS = frozenset({"connect", "disconnect"})


class MalformedPacket(EngineIOError):  # type: ignore[misc]
    """No well-behaved client sends this packet."""


def check_frame(frame: object) -> str:
    """A WebSocket message that Engine.IO can parse. Raises `MalformedPacket`."""
    if not isinstance(frame, str) or frame[:1] not in tuple("0123456"):
        raise MalformedPacket("not a packet of Engine.IO, or a binary one")
    if frame[0] != "4" and len(frame) > MAX_CONTROL_FRAME:
        raise MalformedPacket("a control packet that is too long")
    return frame


def read_payload(body: bytes, max_size: int) -> list[Any]:
    """The packets in the body of a poll. Raises `EngineIOError`."""
    if len(body) > max_size:
        raise ContentTooLongError
    try:
        text = body.decode()
        for frame in text.removeprefix("d=").split("\x1e") if text else ():
            check_frame(frame)
        return list(Payload(encoded_payload=text).packets)
    except (ValueError, LookupError) as error:
        raise MalformedPacket(str(error)) from None


def read_packet(message: object) -> Packet:
    """A packet of Socket.IO, without attachments. Raises `MalformedPacket`."""
    if not isinstance(message, str):
        raise MalformedPacket("binary")
    try:
        packet = Packet(encoded_packet=message)
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise MalformedPacket(str(error)) from None
    if packet.packet_type not in (CONNECT, DISCONNECT, EVENT, ACK):
        raise MalformedPacket("a packet type that clients don't send here")
    if packet.packet_type == EVENT and not _is_event(packet.data):
        raise MalformedPacket("not an event")
    return packet


def _is_event(data: object) -> bool:
    return isinstance(data, list) and bool(data) and isinstance(data[0], str) and data[0] not in RESERVED_EVENTS
