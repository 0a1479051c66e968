"""The scheduler's metrics."""

from collections.abc import Iterable
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 60, 600, 3600)


class SchedulerMetrics:
    """Metrics of firing, leadership and lateness, in the process's registry."""

    def __init__(self, registry: CollectorRegistry, kinds: Iterable[str]) -> None:
        self._settled = Counter(
            "scheduler_occurrences_total",
            "Occurrences that this instance fired or skipped",
            ("kind", "outcome"),
            registry=registry,
        )
        self._children: dict[tuple[str, str], Counter] = {}
        self._lateness = Histogram(
            "scheduler_lateness_seconds", "From due time to claim", buckets=SECONDS, registry=registry
        )
        self._held = Counter(
            "scheduler_held_total",
            "Schedules that could not be fired and are held for an operator",
            ("kind",),
            registry=registry,
        )
        for kind in kinds:  # an increase is seen only in a series that existed before it
            self._held.labels(kind)
        self._leading = Gauge("scheduler_leading", "1 while this instance is the leader", registry=registry)
        self._term = Gauge(
            "scheduler_term", "The fencing term of the lease that this instance held last", registry=registry
        )
        self._overdue = Gauge(
            "scheduler_overdue_seconds",
            "How long the occurrence that is due longest has been overdue",
            registry=registry,
        )
        self._next_due = Gauge(
            "scheduler_next_due_timestamp_seconds", "The next due time; 0 if nothing is planned", registry=registry
        )
        self._led_since = Gauge(
            "scheduler_led_since_timestamp_seconds",
            "When the current leader, of all instances, became leader; 0 while there is none",
            registry=registry,
        )

    def settled(self, kind: str, outcome: str, lateness: float) -> None:
        """Count an occurrence that was fired or skipped `lateness` seconds after its due time."""
        self._settled_by(kind, outcome).inc()
        self._lateness.observe(max(lateness, 0))

    def _settled_by(self, kind: str, outcome: str) -> Counter:
        child = self._children.get((kind, outcome))
        if child is None:
            child = self._children[kind, outcome] = self._settled.labels(kind, outcome)
        return child

    def held(self, kind: str) -> None:
        """Count a schedule that could not be fired."""
        self._held.labels(kind).inc()

    def leading(self, leads: bool, term: int | None) -> None:
        """Set whether this instance is the leader, and its fencing term."""
        self._leading.set(leads)
        if term is not None:
            self._term.set(term)

    def observed(self, led_since: datetime | None, next_due: datetime | None, overdue: float) -> None:
        """Set the state of all instances together, as read from the database."""
        self._led_since.set(led_since.timestamp() if led_since is not None else 0)
        self._next_due.set(next_due.timestamp() if next_due is not None else 0)
        self._overdue.set(overdue)
