"""The sandbox provider reporting what became of what it took: `delivered` after a moment, calls answered and ended."""

from __future__ import annotations

from datetime import timedelta

from conversations.actions.calls import move_call
from conversations.actions.deliveries import news_of, settle
from conversations.store import sandbox as store
from conversations.store.calls import find_locked_call
from conversations.store.deliveries import find_deliveries
from switchboard.messaging.outbox.unit_of_work import open_work
from switchboard.postgres.database import Database
from switchboard.runtime.background import Loop, repeat

EVERY_SECONDS = 0.3
BATCH = 500
CALL_LASTS = timedelta(seconds=2)


def reporting(database: Database) -> Loop:
    async def report_deliveries() -> None:
        while await report(database) == BATCH:
            pass
        await end_calls(database)

    return repeat(report_deliveries, every=EVERY_SECONDS)


async def report(database: Database) -> int:
    """How many were reported. Taken and settled in one transaction: each report has its effect once."""
    async with open_work(database, tenant_id=None) as work:
        ids = await store.take_reports(work.conn, BATCH)
        rows = await find_deliveries(work.conn, ids)
        await settle(work, [news_of(row, "delivered", source=work.source) for row in rows])
        return len(ids)


async def end_calls(database: Database) -> None:
    async with database.connection() as conn:
        ids = await store.list_answered_calls(conn, CALL_LASTS)
    for call_id in ids:
        async with open_work(database, tenant_id=None) as work:
            call = await find_locked_call(work.conn, call_id)
            if call is not None:
                await move_call(work, call, "completed")
