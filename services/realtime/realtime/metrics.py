"""Metrics and the health check of realtime. Gauges are computed at a scrape, so that the hot path counts little."""

from collections.abc import Iterator
from dataclasses import asdict

from prometheus_client import Gauge
from prometheus_client.metrics_core import CounterMetricFamily
from prometheus_client.registry import Collector

from realtime.fanout.catch_up import CatchUp
from realtime.fanout.dispatcher import Dispatcher
from realtime.transport.connections import Connections
from switchboard.process.service import Service


def observe(service: Service, dispatcher: Dispatcher, catch_up: CatchUp, connections: Connections) -> None:
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
    registry.register(_JoinCounter(catch_up))
    service.health.add("relay", dispatcher.check, ready=False)


class _JoinCounter(Collector):
    def __init__(self, catch_up: CatchUp) -> None:
        self._catch_up = catch_up

    def collect(self) -> Iterator[CounterMetricFamily]:
        family = CounterMetricFamily(
            "realtime_joins",
            "Connections that were authenticated: new, resumed from their cursor, or told to reload",
            labels=["outcome"],
        )
        for outcome, count in asdict(self._catch_up.joined).items():
            family.add_metric([outcome], count)
        yield family
