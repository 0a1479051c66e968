"""Prometheus metrics of one process, in its own registry."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, GCCollector, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector

from switchboard.runtime.health import Health

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The registry, and the histogram of HTTP requests.

    A service adds its own: `Counter("relay_published_total", "...", registry=metrics.registry)`.
    """

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._requests = Histogram(
            "http_request_seconds",
            "Time to answer a request, by the route's template",
            ("method", "route", "status"),
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._checks: _Checks | None = None
        self._children: dict[tuple[str, str, int], Histogram] = {}

    def observe_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request. `route` is a template, never a path: each value creates a time series."""
        key = (method, route, status)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = self._requests.labels(method, route, str(status))
        child.observe(seconds)

    async def exposition(self, health: Health) -> bytes:
        """All metrics in Prometheus's text format, with the current result of each health check."""
        if self._checks is None:
            self._checks = _Checks(health)
            self.registry.register(self._checks)
        await health.report()
        return generate_latest(self.registry)


class _Checks(Collector):
    def __init__(self, health: Health) -> None:
        self._health = health

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily("health_check_ok", "1 while this check of /health passes", labels=["check"])
        for name, passed in self._health.passed().items():
            family.add_metric([name], float(passed))
        yield family
