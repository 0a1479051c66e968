"""What operators are told of files."""

from __future__ import annotations

from collections.abc import Callable
from math import nan
from time import monotonic

from prometheus_client import CollectorRegistry, Counter, Gauge

FRESH_SECONDS = 2 * 3600.0  # a cleanup comes each hour, to any of the instances


class FilesMetrics:
    """Set by each cleanup. What it found is told by the instance that did it, and only until the next ones have come
    to others: an instance must not go on about what was mended since."""

    def __init__(self, registry: CollectorRegistry, now: Callable[[], float] = monotonic) -> None:
        self._now = now
        self._found_at = -FRESH_SECONDS
        self._without_row = self._without_object = 0
        self.removed = Counter(
            "files_left_over_removed", "Uploads given up and deleted files removed", registry=registry
        )
        self.failed = Counter(
            "files_left_over_failed", "Attempts to remove one of them that came to nothing", registry=registry
        )
        Gauge("files_objects_without_row", "Objects that no row knows; never removed", registry=registry).set_function(
            lambda: self._while_fresh(self._without_row)
        )
        Gauge("files_rows_without_object", "Files whose bytes are missing", registry=registry).set_function(
            lambda: self._while_fresh(self._without_object)
        )

    def found(self, *, without_row: int, without_object: int) -> None:
        """A cleanup has come to its end."""
        self._without_row, self._without_object = without_row, without_object
        self._found_at = self._now()

    def _while_fresh(self, count: int) -> float:
        return count if self._now() - self._found_at < FRESH_SECONDS else nan
