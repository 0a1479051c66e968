"""Start, pause, resume and cancel campaign runs. The workers expand the audience and send."""

from conversations.actions.messages import DELIVERIES
from conversations.store import campaign_runs as store
from switchboard.contracts.conversation_commands import CampaignCancel, CampaignPause, CampaignResume, CampaignRun
from switchboard.contracts.conversations import CampaignStarted
from switchboard.messaging.outbox.unit_of_work import Work

CAMPAIGNS = "campaigns"  # the NOTIFY channel that wakes the campaign expander


async def run_campaign(run: CampaignRun, work: Work) -> None:
    """Record a campaign run. The workers expand its audience and send."""
    assert work.tenant_id is not None
    if not await store.add_run(work.conn, work.tenant_id, run, channel=run.channel or "sms"):
        return  # started before
    await work.publish(CampaignStarted(campaign_id=run.campaign_id, status="running"))
    work.notify(CAMPAIGNS)


async def pause_campaign(pause: CampaignPause, work: Work) -> None:
    """Pause a run. Each claim checks the status, so that no further recipient is claimed."""
    assert work.tenant_id is not None
    await store.set_status(
        work.conn, work.tenant_id, pause.campaign_id, "paused", revision=pause.revision, of=("running",)
    )
    work.notify(CAMPAIGNS)


async def resume_campaign(resume: CampaignResume, work: Work) -> None:
    """Resume a paused run with its remaining recipients."""
    assert work.tenant_id is not None
    await store.set_status(
        work.conn, work.tenant_id, resume.campaign_id, "running", revision=resume.revision, of=("paused",)
    )
    work.notify(CAMPAIGNS)
    work.notify(DELIVERIES)


async def cancel_campaign(cancel: CampaignCancel, work: Work) -> None:
    """Cancel a run. The workers skip its remaining recipients."""
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
