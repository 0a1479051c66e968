"""Socket backpressure: the queue of one client, which knows its size in bytes, so that a slow client can be bounded."""

import asyncio

from engineio.packet import Packet

PACKET_WEIGHT = 64  # bytes of memory of a small packet, roughly


class Backlog(asyncio.Queue[Packet | None]):
    """The packets that wait for one client. None: the connection is closing."""

    def _init(self, maxsize: int) -> None:
        super()._init(maxsize)
        self.weight = 0

    def _put(self, item: Packet | None) -> None:
        super()._put(item)
        self.weight += weight_of(item)

    def _get(self) -> Packet | None:
        item: Packet | None = super()._get()
        self.weight -= weight_of(item)
        return item

    def drop_all(self) -> None:
        """Remove all packets."""
        while not self.empty():
            self.get_nowait()
            self.task_done()


def weight_of(packet: Packet | None) -> int:
    """The size of a packet in bytes, roughly."""
    if packet is None:
        return 0
    encoded = packet.encode_cache if packet.encode_cache is not None else packet.data
    return PACKET_WEIGHT + (len(encoded) if isinstance(encoded, (str, bytes)) else 0)
