"""The cleanup: delete what interrupted uploads and deletions left behind, and report rows and objects that don't match.

Only what a row marks as expired, deleted or completed is ever removed. An object without a row may belong to a database
that was restored from a backup: it is reported and kept.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog

from files.actions.deps import FileDeps
from files.adapters.bucket import Bucket
from files.adapters.s3_client import BucketUnavailable
from files.domain.file_names import DOCUMENTS, INCOMING, incoming_id, incoming_key
from files.domain.files import File
from files.metrics import FilesMetrics
from files.store import leftovers, stored_files

GRACE = timedelta(minutes=10)  # an upload that expired just now may still be ending
SETTLED = timedelta(days=1)  # younger rows and objects may be part of an upload in progress
PAGE = 500
MAX_LOGGED = 20

log = structlog.get_logger(__name__)


@dataclass
class CleanupReport:
    """The results of one cleanup."""

    removed: int = 0
    failed: int = 0
    without_row: list[str] = field(default_factory=list)
    without_object: list[str] = field(default_factory=list)


async def clean_up(
    deps: FileDeps, metrics: FilesMetrics, *, grace: timedelta = GRACE, settled: timedelta = SETTLED
) -> CleanupReport:
    """Remove leftovers and compare rows with objects. Several cleanups at once do no harm."""
    report = CleanupReport()
    try:
        await _remove_leftovers(deps, grace, report)
        await _find_objects_without_row(deps, settled, report)
        await _check_incoming(deps, settled, report)
        await _find_rows_without_object(deps, settled, report)
    finally:
        metrics.removed.inc(report.removed)
        metrics.failed.inc(report.failed)
    metrics.report(without_row=len(report.without_row), without_object=len(report.without_object))
    log.info("files_cleaned_up", removed=report.removed, failed=report.failed)
    if report.without_row:
        log.warning("objects_without_row", count=len(report.without_row), keys=report.without_row[:MAX_LOGGED])
    if report.without_object:
        log.error("files_without_object", count=len(report.without_object), keys=report.without_object[:MAX_LOGGED])
    return report


async def _remove_leftovers(deps: FileDeps, grace: timedelta, report: CleanupReport) -> None:
    """One that can't be removed is left for the next cleanup and delays no other."""
    after = UUID(int=0)
    while True:
        async with deps.database.connection() as conn:
            rows = await leftovers.list_leftovers(conn, grace, after, PAGE)
        for row in rows:
            try:
                report.removed += await _remove(row, deps)
            except BucketUnavailable as error:
                report.failed += 1
                log.warning("left_over_stays", key=row.key, reason=str(error))
                await deps.bucket.check()  # stop here if the whole store is unavailable
        if len(rows) < PAGE:
            return
        after = rows[-1].id


async def _remove(row: File, deps: FileDeps) -> bool:
    async with deps.database.connection() as conn:
        if row.state != "deleted" and not await leftovers.mark_expired(conn, row):
            return False
    await deps.bucket.purge(row.key)
    await deps.bucket.delete(incoming_key(row.id))
    async with deps.database.connection() as conn:
        return await stored_files.erase_file(conn, row.id)


async def _find_objects_without_row(deps: FileDeps, settled: timedelta, report: CleanupReport) -> None:
    async for keys in _list_settled(deps.bucket, DOCUMENTS, settled):
        async with deps.database.connection() as conn:
            known = await leftovers.list_known_keys(conn, keys)
        report.without_row += [key for key in keys if key not in known and await _still_exists(key, deps)]


async def _check_incoming(deps: FileDeps, settled: timedelta, report: CleanupReport) -> None:
    """Remove objects that clients put once more after their upload was completed."""
    async for keys in _list_settled(deps.bucket, INCOMING, settled):
        owners = {key: incoming_id(key) for key in keys}
        async with deps.database.connection() as conn:
            states = await leftovers.list_states(conn, [owner for owner in owners.values() if owner is not None])
        for key, owner in owners.items():
            state = states.get(owner) if owner is not None else None
            if state == "stored":
                await deps.bucket.delete(key)
                report.removed += 1
            elif state is None and await _still_exists(key, deps):
                report.without_row.append(key)


async def _find_rows_without_object(deps: FileDeps, settled: timedelta, report: CleanupReport) -> None:
    after = ""
    while True:
        async with deps.database.connection() as conn:
            keys = await leftovers.list_stored_keys(conn, after, settled, PAGE)
        if not keys:
            return
        after = keys[-1][0]
        missing = await _list_missing(deps.bucket, keys)
        async with deps.database.connection() as conn:
            report.without_object += await leftovers.list_still_stored(conn, missing)  # not deleted meanwhile


async def _still_exists(key: str, deps: FileDeps) -> bool:
    """False when the object, and then its row, has been deleted since it was listed."""
    return await deps.bucket.find(key) is not None


async def _list_missing(bucket: Bucket, keys: list[tuple[str, int]]) -> list[str]:
    """The consecutive keys that the bucket doesn't have in this size."""
    sizes: dict[str, int] = {}
    async for found in bucket.list_objects(DOCUMENTS, after=keys[0][0][:-1]):
        if found.key > keys[-1][0]:
            break
        sizes[found.key] = found.size
    return [key for key, size in keys if sizes.get(key) != size]


async def _list_settled(bucket: Bucket, prefix: str, settled: timedelta) -> AsyncIterator[list[str]]:
    """The keys with this prefix that are old enough, in pages."""
    before = datetime.now(UTC) - settled
    keys: list[str] = []
    async for found in bucket.list_objects(prefix):
        if found.modified_at < before:
            keys.append(found.key)
        if len(keys) == PAGE:
            yield keys
            keys = []
    if keys:
        yield keys
