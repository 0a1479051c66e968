"""Rows and objects don't drift apart: what was left behind is removed, what is missing or unknown is told.

Only what a row says is given up or deleted is ever removed: an object without a row may belong to a database that was
restored from a backup.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog

from files import store
from files.actions.desk import Desk
from files.bucket import Bucket, StoredObject
from files.domain import File
from files.metrics import FilesMetrics
from files.names import incoming_key
from switchboard.runtime.loops import Stop
from switchboard.runtime.outage import Outage

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
        except Outage as outage:
            log.warning("cleanup_put_off", reason=str(outage))


@dataclass
class Findings:
    """What one cleanup found."""

    removed: int = 0
    without_row: list[str] = field(default_factory=list)
    without_object: list[str] = field(default_factory=list)


async def clean_up(
    desk: Desk, metrics: FilesMetrics, *, grace: timedelta = GRACE, settled: timedelta = SETTLED
) -> Findings:
    """Remove left-overs, compare the rest. Several at once do no harm."""
    findings = Findings()
    findings.removed = await _remove_left_over(desk, grace)
    await _compare(desk, settled, findings)
    metrics.removed.inc(findings.removed)
    metrics.without_row.set(len(findings.without_row))
    metrics.without_object.set(len(findings.without_object))
    log.info("files_cleaned_up", removed=findings.removed)
    if findings.without_row:
        log.warning("objects_without_row", count=len(findings.without_row), keys=findings.without_row[:MOST_TOLD])
    if findings.without_object:
        log.error("files_without_object", count=len(findings.without_object), keys=findings.without_object[:MOST_TOLD])
    return findings


async def _remove_left_over(desk: Desk, grace: timedelta) -> int:
    removed = 0
    while True:
        async with desk.database.connection() as conn:
            rows = await store.list_left_over(conn, grace, PAGE)
        for row in rows:
            removed += await _remove(row, desk)
        if len(rows) < PAGE:
            return removed


async def _remove(row: File, desk: Desk) -> bool:
    async with desk.database.connection() as conn:
        if row.state != "deleted" and not await store.give_up(conn, row.id, row.state):
            return False
    await desk.bucket.leave_nothing(row.key)
    await desk.bucket.delete(incoming_key(row.id))
    async with desk.database.connection() as conn:
        return await store.drop_file(conn, row.id, "deleted")


async def _compare(desk: Desk, settled: timedelta, findings: Findings) -> None:
    """Walk through the objects and the rows side by side, both by key."""
    before = datetime.now(UTC) - settled
    async for page in _pages(desk.bucket):
        old = [found.key for found in page if found.modified_at < before]
        async with desk.database.connection() as conn:
            known = await store.list_known_keys(conn, old)
        findings.without_row += [key for key in old if key not in known]
    async with desk.database.connection() as conn:
        after = ""
        while keys := await store.list_stored_keys(conn, after, settled, PAGE):
            after = keys[-1][0]
            findings.without_object += await _missing(desk.bucket, keys)


async def _missing(bucket: Bucket, keys: list[tuple[str, int]]) -> list[str]:
    """Those of these keys, which follow each other, that the bucket doesn't have in this size."""
    there: dict[str, int] = {}
    async for found in bucket.list_objects("documents/", after=keys[0][0][:-1]):
        if found.key > keys[-1][0]:
            break
        there[found.key] = found.size
    return [key for key, size in keys if there.get(key) != size]


async def _pages(bucket: Bucket) -> AsyncIterator[list[StoredObject]]:
    page: list[StoredObject] = []
    async for found in bucket.list_objects("documents/"):
        page.append(found)
        if len(page) == PAGE:
            yield page
            page = []
    if page:
        yield page
