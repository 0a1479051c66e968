"""Receipts of the sandbox provider: messages are delivered after a moment, calls are answered and completed."""

from dataclasses import dataclass
from datetime import timedelta

from conversations.actions.calls import move_call
from conversations.actions.deliveries import outcome_of, settle
from conversations.store import sandbox as store
from conversations.store.calls import find_locked_call
from conversations.store.deliveries import find_deliveries
from switchboard.messaging.outbox.unit_of_work import open_work
from switchboard.postgres.database import Database
from switchboard.runtime.background import Stop, repeat

EVERY_SECONDS = 0.3
BATCH = 500
CALL_DURATION = timedelta(seconds=2)


@dataclass(frozen=True)
class SandboxReporter:
    """Reports what the sandbox provider has sent."""

    database: Database

    async def run(self, stop: Stop) -> None:
        await repeat(self.report, every=EVERY_SECONDS)(stop)

    async def report(self) -> None:
        """Report all deliveries and calls that are due."""
        while await self.report_deliveries() == BATCH:
            pass
        await self.complete_calls()

    async def report_deliveries(self) -> int:
        """Report one batch. Taken and settled in one transaction, so that each report has its effect once."""
        async with open_work(self.database, tenant_id=None) as work:
            ids = await store.take_reports(work.conn, BATCH)
            rows = await find_deliveries(work.conn, ids)
            await settle(work, [outcome_of(row, "delivered", source=work.source) for row in rows])
            return len(ids)

    async def complete_calls(self) -> None:
        """Complete the calls that have rung for `CALL_DURATION`."""
        async with self.database.connection() as conn:
            ids = await store.list_answered_calls(conn, CALL_DURATION)
        for call_id in ids:
            async with open_work(self.database, tenant_id=None) as work:
                call = await find_locked_call(work.conn, call_id)
                if call is not None:
                    await move_call(work, call, "completed")
