"""Metrics and the health check of realtime. Gauges are computed at a scrape, so that the hot path counts little."""

from prometheus_client import Gauge

from realtime.fanout.dispatcher import Dispatcher
from realtime.transport.connections import Connections
from switchboard.process.service import Service


def observe(service: Service, dispatcher: Dispatcher, connections: Connections) -> None:
    """Register the metrics, and the health check of the dispatcher."""
    registry = service.metrics.registry
    sockets = Gauge("realtime_sockets", "Connections on this instance", registry=registry)
    sockets.set_function(lambda: len(connections.eio.sockets))
    members = Gauge("realtime_members", "Authenticated connections and long polls on this instance", registry=registry)
    members.set_function(lambda: sum(1 for _ in dispatcher.rooms))
    pushed = Gauge(
        "realtime_pushed", "Log entries dispatched, plus frames pushed to sockets, since the start", registry=registry
    )
    pushed.set_function(lambda: dispatcher.pushed)
    registry.register(connections.eio.dropped)
    service.health.add("relay", dispatcher.check, ready=False)
