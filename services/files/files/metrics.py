"""The metrics of files."""

from collections.abc import Callable
from math import nan
from time import monotonic

from prometheus_client import CollectorRegistry, Counter, Gauge

FRESH_SECONDS = 2 * 3600.0  # a cleanup runs each hour, on any of the instances


class FilesMetrics:
    """Updated by each cleanup.

    An instance reports the findings of its cleanup for two hours only. By then another instance has cleaned up, and the
    findings may be out of date.
    """

    def __init__(self, registry: CollectorRegistry, now: Callable[[], float] = monotonic) -> None:
        self._now = now
        self._reported_at = -FRESH_SECONDS
        self._without_row = self._without_object = 0
        self.removed = Counter(
            "files_left_over_removed",
            "Remains of expired uploads and deleted files that were removed",
            registry=registry,
        )
        self.failed = Counter("files_left_over_failed", "Failed attempts to remove such remains", registry=registry)
        Gauge("files_objects_without_row", "Objects without a row; never removed", registry=registry).set_function(
            lambda: self._while_fresh(self._without_row)
        )
        Gauge("files_rows_without_object", "Files without their bytes", registry=registry).set_function(
            lambda: self._while_fresh(self._without_object)
        )

    def report(self, *, without_row: int, without_object: int) -> None:
        """Publish the findings of a cleanup."""
        self._without_row, self._without_object = without_row, without_object
        self._reported_at = self._now()

    def _while_fresh(self, count: int) -> float:
        return count if self._now() - self._reported_at < FRESH_SECONDS else nan
