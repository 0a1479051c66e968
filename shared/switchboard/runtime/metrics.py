"""Prometheus metrics of one process, in its own registry."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import structlog
from prometheus_client import CollectorRegistry, GCCollector, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector

from switchboard.runtime.health import Health
from switchboard.runtime.unavailable import Unavailable

Measure = Callable[[], Awaitable[None]]

MEASURE_SECONDS = 2.0
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

log = structlog.get_logger(__name__)


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
        self._measures: list[Measure] = []
        self._children: dict[tuple[str, str, int], Histogram] = {}

    def observe_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request. `route` is a template, never a path: each value creates a time series."""
        key = (method, route, status)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = self._requests.labels(method, route, str(status))
        child.observe(seconds)

    def before_scrape(self, measure: Measure) -> None:
        """Call `measure` before each answer to Prometheus, to set gauges that a server has to be asked for.

        What raises `Unavailable`, or takes longer than two seconds, leaves its gauges as they were.
        """
        self._measures.append(measure)

    async def exposition(self, health: Health) -> bytes:
        """All metrics in Prometheus's text format, with the current result of each health check."""
        if self._checks is None:
            self._checks = _Checks(health)
            self.registry.register(self._checks)
        await asyncio.gather(health.report(), *(_measured(measure) for measure in self._measures))
        return generate_latest(self.registry)


async def _measured(measure: Measure) -> None:
    try:
        async with asyncio.timeout(MEASURE_SECONDS):
            await measure()
    except (Unavailable, TimeoutError) as error:
        log.info("not_measured", reason=str(error) or type(error).__name__)


class _Checks(Collector):
    def __init__(self, health: Health) -> None:
        self._health = health

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily("health_check_ok", "1 while this check of /health passes", labels=["check"])
        for name, passed in self._health.passed().items():
            family.add_metric([name], float(passed))
        yield family
