"""What operators are told of realtime."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

from realtime.relay import Relay
from realtime.sockets import Sockets


def count(registry: CollectorRegistry, sockets: Sockets, relay: Relay) -> None:
    """Register what is read when somebody asks: nothing is counted twice on the hot path."""
    here = Gauge("realtime_sockets", "Connections on this instance", registry=registry)
    here.set_function(lambda: len(sockets.eio.sockets))
    pushed = Gauge(
        "realtime_pushed", "Entries handed on, and frames pushed to sockets, since the start", registry=registry
    )
    pushed.set_function(lambda: relay.pushed)
    sockets.eio.dropped = Counter(
        "realtime_sockets_dropped", "Connections cut off because their client read too slowly", registry=registry
    )
