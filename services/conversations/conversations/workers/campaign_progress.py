"""Campaign progress: published at most once a second for each campaign, and its completion."""

from datetime import timedelta

import structlog

from conversations.actions.campaigns import CAMPAIGNS
from conversations.actions.deliveries import outcome_of, settle
from conversations.actions.notifications import notify
from conversations.domain.campaigns import counts_of, unsettled
from conversations.store import campaign_progress as store
from conversations.store.campaign_runs import Run
from conversations.store.deliveries import find_deliveries
from switchboard.contracts.conversations import CampaignCompleted, CampaignCounts, CampaignProgress
from switchboard.messaging.outbox.unit_of_work import Work, open_work
from switchboard.postgres.database import Database
from switchboard.runtime.background import Stop, Wakeup
from switchboard.runtime.unavailable import Unavailable

EVERY = timedelta(seconds=1)
POLL_SECONDS = 0.25
QUIET_POLL_SECONDS = 5.0  # while no campaign has progress to report
CHUNK = 20_000

log = structlog.get_logger(__name__)


class ProgressReporter:
    """Publishes the progress of running campaigns. Locks a run's row while counting, so that one instance does."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._wakeup = Wakeup()
        database.on_notify(CAMPAIGNS, self._wakeup.set)

    async def run(self, stop: Stop) -> None:
        while not stop.is_set():
            alive = True
            try:
                alive = await self.report()
            except Unavailable as error:
                log.info("progress_postponed", reason=str(error))
            await self._wakeup.wait(stop, POLL_SECONDS if alive else QUIET_POLL_SECONDS)

    async def report(self) -> bool:
        """Report all that is due. False when no campaign has progress to report, now or soon."""
        async with self._database.connection() as conn:
            if not await store.any_alive(conn):
                return False
        while await self.report_one():
            pass
        return True

    async def report_one(self) -> bool:
        """Report one campaign. False when none is due."""
        async with open_work(self._database, tenant_id=None) as work:
            run = await store.lock_one(work.conn, EVERY)
            if run is None:
                return False
            work.tenant_id = run.tenant_id
            if run.status == "cancelled":
                await _skip_rest(work, run)
            await _publish(work, run)
            return True


async def _skip_rest(work: Work, run: Run) -> None:
    await store.skip_pending(work.conn, run.id, CHUNK)
    with_message = await find_deliveries(work.conn, await store.lock_pending_with_message(work.conn, run.id, 500))
    await settle(work, [outcome_of(row, "skipped", source=work.source, reason="cancelled") for row in with_message])


async def _publish(work: Work, run: Run) -> None:
    by_status = await store.count(work.conn, run.id)
    counts, left = counts_of(by_status), unsettled(by_status)
    complete = run.status == "running" and run.expanded and not left
    status = "completed" if complete else run.status
    changed = counts != CampaignCounts.model_validate(run.counts)
    busy = run.status == "cancelled" and left > 0
    await store.save_progress(work.conn, run.id, counts.model_dump(), status, dirty=busy)
    if complete:
        await work.publish(CampaignCompleted(campaign_id=run.id, status="completed", counts=counts))
        title = f"Campaign {run.name} is complete"
        await notify(work, run.user_id, "campaign", title, _summary(counts), subject_id=run.id)
    elif changed:
        await work.publish(CampaignProgress(campaign_id=run.id, status=status, counts=counts))  # type: ignore[arg-type]


def _summary(counts: CampaignCounts) -> str:
    by_name = counts.model_dump(exclude={"total"})
    return f"{counts.total} recipients: " + ", ".join(f"{n} {name}" for name, n in by_name.items() if n)
