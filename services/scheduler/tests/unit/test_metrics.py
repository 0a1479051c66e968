"""The scheduler's metrics."""

from prometheus_client import CollectorRegistry

from scheduler.domain.kinds import KINDS
from scheduler.metrics import SchedulerMetrics


def test_held_schedules_are_counted_from_zero_for_each_kind() -> None:
    registry = CollectorRegistry()

    SchedulerMetrics(registry, KINDS)

    assert {kind: registry.get_sample_value("scheduler_held_total", {"kind": kind}) for kind in KINDS} == dict.fromkeys(
        KINDS, 0.0
    )
