"""The metrics of the cleanup."""

from math import isnan

from prometheus_client import CollectorRegistry

from files.metrics import FilesMetrics


def test_findings_of_a_cleanup_are_reported_for_two_hours() -> None:
    registry, clock = CollectorRegistry(), [0.0]
    metrics = FilesMetrics(registry, lambda: clock[0])

    def objects_without_row() -> float:
        return registry.get_sample_value("files_objects_without_row") or 0.0

    assert isnan(objects_without_row())
    metrics.report(without_row=3, without_object=0)
    clock[0] = 7199.0
    assert objects_without_row() == 3
    clock[0] = 7200.0
    assert isnan(objects_without_row())
