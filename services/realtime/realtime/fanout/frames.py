"""Frames that clients receive: a Socket.IO packet in an Engine.IO packet in a WebSocket frame, built once for all."""

import struct
from typing import Any

import orjson
from engineio.packet import MESSAGE, Packet

from switchboard.event_log import StoredEntry

TEXT = 0x81  # the only frame of a message, and text (RFC 6455, 5.2)


def _header(length: int) -> bytes:
    if length < 126:
        return struct.pack("!BB", TEXT, length)
    if length < 65536:
        return struct.pack("!BBH", TEXT, 126, length)
    return struct.pack("!BBQ", TEXT, 127, length)


class Frame:
    """One message, ready to be written to any number of sockets."""

    __slots__ = ("_packet", "_text", "wire")

    def __init__(self, text: bytes) -> None:
        self.wire = _header(len(text)) + text
        self._text = text
        self._packet: Packet | None = None

    @property
    def packet(self) -> Packet:
        """The frame for a queue: Engine.IO's own packet, with its encoding set instead of computed."""
        if self._packet is None:
            self._packet = Packet(MESSAGE)
            self._packet.encode_cache = self._text.decode()
        return self._packet


DISCONNECT_FRAME = Frame(b"41")
"""Socket.IO's DISCONNECT: official clients don't reconnect after it."""


def event_frame(name: str, payload: Any) -> Frame:
    """A Socket.IO event in the namespace `/`."""
    return Frame(b"42" + orjson.dumps([name, payload], default=str, option=orjson.OPT_UTC_Z))


def entry_frame(entry: StoredEntry, epoch: str) -> Frame:
    """`(type, {id, event_id, time, data})`, joined from parts that are JSON already or need no escaping."""
    name, event_id, time, _, data = entry.parts
    return Frame(
        b'42["%b",{"id":"%b","event_id":"%b-%d","time":"%b","data":%b}]'
        % (name, event_id, epoch.encode(), entry.position, time, data)
    )


def ephemeral_frame(name: bytes, data: bytes) -> Frame:
    """`(type, data)`: an event that is not in the log."""
    return Frame(b'42["%b",%b]' % (name, data))


def closing_frame(reason: str) -> Frame:
    """`session.closing`, the last event before the server closes a connection."""
    return event_frame("session.closing", {"reason": reason})
