"""Events as clients get them: a Socket.IO packet in an Engine.IO packet in a WebSocket frame, built once for all."""

from __future__ import annotations

import struct
from typing import Any

import orjson
from engineio.packet import MESSAGE, Packet

from realtime.log.entries import Entry

TEXT = 0x81  # the only frame of a message, and text (RFC 6455, 5.2)


class Frame:
    """One message, ready to be written to any number of sockets."""

    __slots__ = ("_packet", "_text", "wire")

    def __init__(self, text: bytes) -> None:
        self.wire = _header(len(text)) + text
        self._text = text
        self._packet: Packet | None = None

    @property
    def packet(self) -> Packet:
        """For those who can't be written to at once: Engine.IO's own packet, its encoding given rather than made."""
        if self._packet is None:
            self._packet = Packet(MESSAGE)
            self._packet.encode_cache = self._text.decode()
        return self._packet


def event_frame(name: str, payload: Any) -> Frame:
    """A Socket.IO event of ours, in the namespace `/`."""
    return Frame(b"42" + orjson.dumps([name, payload], default=str, option=orjson.OPT_UTC_Z))


def entry_frame(entry: Entry, epoch: str) -> Frame:
    """`(type, {id, event_id, time, data})`. Put together from parts that are JSON already, or can't need escaping."""
    return Frame(
        b'42["%b",{"id":"%b","event_id":"%b-%b","time":"%b","data":%b}]'
        % (entry.type, entry.id, epoch.encode(), entry.place, entry.time, entry.data)
    )


def mention_frame(entry: Entry) -> Frame:
    """`(type, data)`: what has no place in the log."""
    return Frame(b'42["%b",%b]' % (entry.type, entry.data))


def _header(length: int) -> bytes:
    if length < 126:
        return struct.pack("!BB", TEXT, length)
    if length < 65536:
        return struct.pack("!BBH", TEXT, 126, length)
    return struct.pack("!BBQ", TEXT, 127, length)
