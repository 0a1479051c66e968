"""The metrics of files."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import nan
from time import monotonic

from prometheus_client import CollectorRegistry, Counter, Gauge

from switchboard.contracts.envelope import Envelope
from switchboard.contracts.files import FileUploaded
from switchboard.runtime.refusals import Refusal

FRESH_SECONDS = 2 * 3600.0  # a cleanup runs each hour, on any of the instances


UPLOADED = ("stored", "refused", "failed")


class UploadMetrics:
    """Uploads through this instance, counted in its memory."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.in_progress = Gauge("uploads_in_progress", "Uploads that this instance receives", registry=registry)
        self._uploads = Counter(
            "uploads_total", "Uploads through this instance by their outcome", ("outcome",), registry=registry
        )
        self._bytes = Counter("upload_bytes_total", "Bytes of stored uploads", registry=registry)
        for outcome in UPLOADED:
            self._uploads.labels(outcome)

    def count(self, published: Sequence[Envelope]) -> None:
        """Count the bytes of files among the events of a commit."""
        for event in published:
            if event.type == FileUploaded.type:
                self._bytes.inc(event.data["size"])

    @contextmanager
    def upload(self) -> Iterator[None]:
        """Wrap one upload, and count it by how it ends."""
        outcome = "failed"
        try:
            with self.in_progress.track_inprogress():
                yield
            outcome = "stored"
        except Refusal:
            outcome = "refused"
            raise
        finally:
            self._uploads.labels(outcome).inc()


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
