"""Telling how campaigns get on, at most once a second each, and when they are complete."""

from __future__ import annotations

from datetime import timedelta

from conversations.actions.deliveries import news_of, settle
from conversations.actions.notifications import notify
from conversations.domain.campaigns import counts_of, unsettled
from conversations.store import progress as store
from conversations.store.deliveries import find_deliveries
from conversations.store.runs import Run
from switchboard.contracts.conversations import CampaignCompleted, CampaignCounts, CampaignProgress
from switchboard.messaging.outbox.unit_of_work import Work, open_work
from switchboard.postgres.database import Database
from switchboard.runtime.background import Loop, repeat

EVERY = timedelta(seconds=1)
LOOK_SECONDS = 0.25
CHUNK = 20_000


def progressing(database: Database) -> Loop:
    """The loop, on every instance; a run's row is locked while it is looked at."""

    async def tell_progress() -> None:
        while await look_at_one(database):
            pass

    return repeat(tell_progress, every=LOOK_SECONDS)


async def look_at_one(database: Database, *, every: timedelta = EVERY) -> bool:
    """Whether there was one to look at."""
    async with open_work(database, tenant_id=None) as work:
        run = await store.lock_one(work.conn, every)
        if run is None:
            return False
        work.tenant_id = run.tenant_id
        if run.status == "cancelled":
            await _skip_rest(work, run)
        await _tell(work, run)
        return True


async def _skip_rest(work: Work, run: Run) -> None:
    await store.skip_pending(work.conn, run.id, CHUNK)
    begun = await find_deliveries(work.conn, await store.lock_pending_with_message(work.conn, run.id, 500))
    await settle(work, [news_of(row, "skipped", source=work.source, reason="cancelled") for row in begun])


async def _tell(work: Work, run: Run) -> None:
    by_status = await store.count(work.conn, run.id)
    counts, left = counts_of(by_status), unsettled(by_status)
    complete = run.status == "running" and run.expanded and not left
    status = "completed" if complete else run.status
    changed = counts != CampaignCounts.model_validate(run.counts)
    busy = run.status == "cancelled" and left > 0
    await store.save_progress(work.conn, run.id, counts.model_dump(), status, dirty=busy)
    if complete:
        await work.publish(CampaignCompleted(campaign_id=run.id, status="completed", counts=counts))
        await notify(
            work, run.user_id, "campaign", f"Campaign {run.name} is complete", _in_words(counts), subject_id=run.id
        )
    elif changed:
        await work.publish(CampaignProgress(campaign_id=run.id, status=status, counts=counts))  # type: ignore[arg-type]


def _in_words(counts: CampaignCounts) -> str:
    told = counts.model_dump(exclude={"total"})
    return f"{counts.total} recipients: " + ", ".join(f"{n} {name}" for name, n in told.items() if n)
