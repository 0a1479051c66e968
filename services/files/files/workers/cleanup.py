"""Rows and objects don't drift apart: what was left behind is removed, what is missing or unknown is told.

Only what a row says is given up, deleted or taken over is ever removed: an object without a row may belong to a
database that was restored from a backup.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog

from files.actions.deps import Desk
from files.adapters.bucket import Bucket, BucketUnavailable
from files.domain.file_names import DOCUMENTS, INCOMING, incoming_id, incoming_key
from files.domain.files import File
from files.metrics import FilesMetrics
from files.store import files as store
from switchboard.runtime.background import Stop
from switchboard.runtime.unavailable import Unavailable

GRACE = timedelta(minutes=10)  # an upload that ran out just now may still be ending
SETTLED = timedelta(days=1)  # younger ones may be in the making
PAGE = 500
MOST_TOLD = 20

log = structlog.get_logger(__name__)


class Cleaner:
    """Cleans up when it is asked to: a command is done when it is heard, since its transaction could not last so long,
    and another comes each hour."""

    def __init__(self, desk: Desk, metrics: FilesMetrics) -> None:
        self._desk = desk
        self._metrics = metrics
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Clean up soon."""
        self._asked.set()

    async def run(self, stop: Stop) -> None:
        stopping = asyncio.create_task(stop.wait())
        while not stop.is_set():
            asked = asyncio.create_task(self._asked.wait())
            await asyncio.wait({asked, stopping}, return_when=asyncio.FIRST_COMPLETED)
            asked.cancel()
            if self._asked.is_set() and not stop.is_set():
                self._asked.clear()
                await self._clean_up()

    async def _clean_up(self) -> None:
        try:
            await clean_up(self._desk, self._metrics)
        except Unavailable as outage:
            log.warning("cleanup_put_off", reason=str(outage))


@dataclass
class Findings:
    """What one cleanup found."""

    removed: int = 0
    failed: int = 0
    without_row: list[str] = field(default_factory=list)
    without_object: list[str] = field(default_factory=list)


async def clean_up(
    desk: Desk, metrics: FilesMetrics, *, grace: timedelta = GRACE, settled: timedelta = SETTLED
) -> Findings:
    """Remove left-overs, compare the rest. Several at once do no harm."""
    findings = Findings()
    try:
        await _remove_left_over(desk, grace, findings)
        await _compare_objects(desk, settled, findings)
        await _compare_uploaded(desk, settled, findings)
        await _compare_rows(desk, settled, findings)
    finally:
        metrics.removed.inc(findings.removed)
        metrics.failed.inc(findings.failed)
    metrics.found(without_row=len(findings.without_row), without_object=len(findings.without_object))
    log.info("files_cleaned_up", removed=findings.removed, failed=findings.failed)
    if findings.without_row:
        log.warning("objects_without_row", count=len(findings.without_row), keys=findings.without_row[:MOST_TOLD])
    if findings.without_object:
        log.error("files_without_object", count=len(findings.without_object), keys=findings.without_object[:MOST_TOLD])
    return findings


async def _remove_left_over(desk: Desk, grace: timedelta, findings: Findings) -> None:
    """One that resists is left for the next time, and holds nothing up."""
    after = UUID(int=0)
    while True:
        async with desk.database.connection() as conn:
            rows = await store.list_left_over(conn, grace, after, PAGE)
        for row in rows:
            try:
                findings.removed += await _remove(row, desk)
            except BucketUnavailable as trouble:
                findings.failed += 1
                log.warning("left_over_stays", key=row.key, reason=str(trouble))
                await desk.bucket.check()  # is it all of the store that is away?
        if len(rows) < PAGE:
            return
        after = rows[-1].id


async def _remove(row: File, desk: Desk) -> bool:
    async with desk.database.connection() as conn:
        if row.state != "deleted" and not await store.give_up(conn, row.id, row.state):
            return False
    await desk.bucket.leave_nothing(row.key)
    await desk.bucket.delete(incoming_key(row.id))
    async with desk.database.connection() as conn:
        return await store.erase(conn, row.id)


async def _compare_objects(desk: Desk, settled: timedelta, findings: Findings) -> None:
    """Which objects has no row ever heard of?"""
    async for keys in _settled(desk.bucket, DOCUMENTS, settled):
        async with desk.database.connection() as conn:
            known = await store.list_known_keys(conn, keys)
        findings.without_row += [key for key in keys if key not in known and await _is_still_there(key, desk)]


async def _compare_uploaded(desk: Desk, settled: timedelta, findings: Findings) -> None:
    """What was put once more, after it had been taken over, is nobody's."""
    async for keys in _settled(desk.bucket, INCOMING, settled):
        owners = {key: incoming_id(key) for key in keys}
        async with desk.database.connection() as conn:
            states = await store.list_states(conn, [owner for owner in owners.values() if owner is not None])
        for key, owner in owners.items():
            state = states.get(owner) if owner is not None else None
            if state == "stored":
                await desk.bucket.delete(key)
                findings.removed += 1
            elif state is None and await _is_still_there(key, desk):
                findings.without_row.append(key)


async def _compare_rows(desk: Desk, settled: timedelta, findings: Findings) -> None:
    """Which rows have lost their bytes?"""
    after = ""
    while True:
        async with desk.database.connection() as conn:
            keys = await store.list_stored_keys(conn, after, settled, PAGE)
        if not keys:
            return
        after = keys[-1][0]
        missing = await _missing(desk.bucket, keys)
        async with desk.database.connection() as conn:
            findings.without_object += await store.list_still_stored(conn, missing)  # not deleted just now


async def _is_still_there(key: str, desk: Desk) -> bool:
    """Not deleted, the object and then the row, since it was listed."""
    return await desk.bucket.find(key) is not None


async def _missing(bucket: Bucket, keys: list[tuple[str, int]]) -> list[str]:
    """Those of these keys, which follow each other, that the bucket doesn't have in this size."""
    there: dict[str, int] = {}
    async for found in bucket.list_objects(DOCUMENTS, after=keys[0][0][:-1]):
        if found.key > keys[-1][0]:
            break
        there[found.key] = found.size
    return [key for key, size in keys if there.get(key) != size]


async def _settled(bucket: Bucket, prefix: str, settled: timedelta) -> AsyncIterator[list[str]]:
    """The keys below a prefix that are old enough, some at a time."""
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
