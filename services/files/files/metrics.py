"""What operators are told of files."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class FilesMetrics:
    """Set by each cleanup."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.removed = Counter(
            "files_left_over_removed", "Uploads given up and deleted files removed", registry=registry
        )
        self.without_row = Gauge(
            "files_objects_without_row", "Objects that no row knows; never removed", registry=registry
        )
        self.without_object = Gauge("files_rows_without_object", "Files whose bytes are missing", registry=registry)
