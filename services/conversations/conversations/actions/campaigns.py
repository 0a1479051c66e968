"""Campaign runs as they are begun, paused, resumed and cancelled. The sending itself is `sending/`."""

from __future__ import annotations

from conversations.actions.messages import DELIVERIES
from conversations.store import runs as store
from switchboard.contracts.conversations import (
    CampaignCancel,
    CampaignPause,
    CampaignResume,
    CampaignRun,
    CampaignStarted,
)
from switchboard.messaging.outbox.unit_of_work import Work

CAMPAIGNS = "campaigns"  # the channel that wakes expansion and progress


async def run_campaign(run: CampaignRun, work: Work) -> None:
    """Record the run; the loops expand its audience and send."""
    assert work.tenant_id is not None
    if not await store.add_run(work.conn, work.tenant_id, run, channel=run.channel or "sms"):
        return  # begun before
    await work.publish(CampaignStarted(campaign_id=run.campaign_id, status="running"))
    work.notify(CAMPAIGNS)


async def pause_campaign(pause: CampaignPause, work: Work) -> None:
    """Claim no further recipient: each claim reads the status."""
    assert work.tenant_id is not None
    await store.set_status(
        work.conn, work.tenant_id, pause.campaign_id, "paused", revision=pause.revision, of=("running",)
    )
    work.notify(CAMPAIGNS)


async def resume_campaign(resume: CampaignResume, work: Work) -> None:
    """Go on with the recipients that are left."""
    assert work.tenant_id is not None
    await store.set_status(
        work.conn, work.tenant_id, resume.campaign_id, "running", revision=resume.revision, of=("paused",)
    )
    work.notify(CAMPAIGNS)
    work.notify(DELIVERIES)


async def cancel_campaign(cancel: CampaignCancel, work: Work) -> None:
    """Who was not yet sent to is skipped, by the loops."""
    assert work.tenant_id is not None
    await store.set_status(
        work.conn,
        work.tenant_id,
        cancel.campaign_id,
        "cancelled",
        revision=cancel.revision,
        of=("running", "paused"),
    )
    work.notify(CAMPAIGNS)
