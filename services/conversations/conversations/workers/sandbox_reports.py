"""Receipts of the sandbox provider: messages are delivered after a moment, calls are answered and completed."""

from datetime import timedelta
from time import monotonic

import structlog

from conversations.actions.calls import move_call
from conversations.actions.deliveries import log_report, outcome_of, settle
from conversations.adapters.sandbox import SANDBOX_REPORTS
from conversations.store import sandbox as store
from conversations.store.calls import find_locked_call
from conversations.store.deliveries import find_deliveries
from switchboard.messaging.outbox.unit_of_work import open_work
from switchboard.postgres.database import Database
from switchboard.runtime.background import Stop, Wakeup
from switchboard.runtime.unavailable import Unavailable

EVERY_SECONDS = 0.3
ACTIVE_SECONDS = 5.0  # after the last one was sent or reported
POLL_SECONDS = 5.0  # a notification may be lost
BATCH = 500
CALL_DURATION = timedelta(seconds=2)

log = structlog.get_logger(__name__)


class SandboxReporter:
    """Reports what the sandbox provider has sent: often while it sends, else when it is notified."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._wakeup = Wakeup()
        database.on_notify(SANDBOX_REPORTS, self._wakeup.set)

    async def run(self, stop: Stop) -> None:
        active_until = 0.0
        while not stop.is_set():
            try:
                if await self.report():
                    active_until = monotonic() + ACTIVE_SECONDS
            except Unavailable as error:
                log.info("reports_postponed", reason=str(error))
            if monotonic() < active_until:
                await stop.sleep(EVERY_SECONDS)
            elif await self._wakeup.wait(stop, POLL_SECONDS):
                active_until = monotonic() + ACTIVE_SECONDS

    async def report(self) -> bool:
        """Report all deliveries and calls that are due. Returns whether there were any."""
        async with self._database.connection() as conn:
            if not await store.any_due(conn, CALL_DURATION):
                return False
        while await self.report_deliveries() == BATCH:
            pass
        await self.complete_calls()
        return True

    async def report_deliveries(self) -> int:
        """Report one batch. Taken and settled in one transaction, so that each report has its effect once."""
        async with open_work(self._database, tenant_id=None) as work:
            ids = await store.take_reports(work.conn, BATCH)
            rows = await find_deliveries(work.conn, ids)
            for row in rows:
                log_report(row, "sandbox", "delivered")
            await settle(work, [outcome_of(row, "delivered", source=work.source) for row in rows])
            return len(ids)

    async def complete_calls(self) -> None:
        """Complete the calls that have rung for `CALL_DURATION`."""
        async with self._database.connection() as conn:
            ids = await store.list_answered_calls(conn, CALL_DURATION)
        for call_id in ids:
            async with open_work(self._database, tenant_id=None) as work:
                call = await find_locked_call(work.conn, call_id)
                if call is not None:
                    await move_call(work, call, "completed")
