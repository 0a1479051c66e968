"""What operators are told of realtime."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

from realtime.fanout.dispatcher import Relay
from realtime.fanout.rooms import Rooms
from realtime.transport.connections import Sockets


def count(registry: CollectorRegistry, sockets: Sockets, relay: Relay, rooms: Rooms) -> None:
    """Register what is read when somebody asks: nothing is counted twice on the hot path."""
    here = Gauge("realtime_sockets", "Connections on this instance", registry=registry)
    here.set_function(lambda: len(sockets.eio.sockets))
    members = Gauge("realtime_members", "Those who have told this instance who they are", registry=registry)
    members.set_function(lambda: sum(1 for _ in rooms))
    pushed = Gauge(
        "realtime_pushed", "Entries handed on, and frames pushed to sockets, since the start", registry=registry
    )
    pushed.set_function(lambda: relay.pushed)
    sockets.eio.dropped = Counter(
        "realtime_sockets_dropped", "Connections cut off because their client read too slowly", registry=registry
    )
