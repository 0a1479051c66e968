"""The documented states of campaigns and trials, with paths to each."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

from scheduler.domain.kinds.trial import timer_of
from switchboard.contracts.auth import TenantCreated, TenantTrialExtended, TenantUpdated
from switchboard.contracts.conversations import CampaignCompleted, CampaignProgress, CampaignStarted
from switchboard.testing.app import Answer

from .states import PHONE, Act, Planned, Rows, creates, due, missed, paths, requests

# Campaigns


def campaign_event(event: type[Any]) -> Act:
    async def act(it: Planned) -> None:
        it.scheduler.clock.set(it.scheduler.clock.now() + timedelta(seconds=1))
        await it.scheduler.receive(event(campaign_id=it.id, status="running"))

    return act


async def expiring(it: Planned) -> Answer | None:
    fields = {"name": "S", "template": "Hi", "audience": {"phones": [PHONE]}, "not_after": it.later(hours=2)}
    return await creates("/campaigns", "send_at", **fields)(it)


campaign = creates("/campaigns", "send_at", name="S", template="Hi", audience={"phones": [PHONE]})
pause, resume, cancel = (requests("POST", f"/{step}") for step in ("pause", "resume", "cancel"))
starts, progresses, completes = map(campaign_event, (CampaignStarted, CampaignProgress, CampaignCompleted))
waiting, running = (campaign,), (campaign, due)
held, paused = (*waiting, pause), (*running, pause)
done, cancelled_early, cancelled_late = (*running, completes), (*waiting, cancel), (*running, cancel)

CAMPAIGN: Rows = {
    ("–", "POST"): paths([()], [campaign]),
    ("scheduled", "due"): paths([waiting], [due]),
    ("scheduled", "due, after not_after"): paths([(expiring,)], [missed]),
    ("scheduled", "pause"): paths([waiting], [pause]),
    ("paused, not started", "resume"): paths([held, (*held, missed)], [resume]),
    ("running", "pause"): paths([running], [pause]),
    ("paused", "resume"): paths([paused], [resume]),
    ("scheduled; paused, not started", "cancel"): paths([waiting, held], [cancel]),
    ("running, paused", "cancel"): paths([running, paused], [cancel]),
    ("any other", "pause, resume, cancel"): [
        *paths([held, paused, done, cancelled_early, cancelled_late], [pause]),
        *paths([waiting, running, done, cancelled_early, cancelled_late], [resume]),
        *paths([done, cancelled_early, cancelled_late], [cancel]),
    ],
    ("running, paused", "campaign.completed"): paths([running, paused], [completes]),
    ("any", "campaign.started, campaign.progress"): paths(
        [waiting, held, running, paused, done, cancelled_early, cancelled_late], [starts, progresses]
    ),
    ("cancelled", "campaign.completed"): paths([cancelled_early, cancelled_late], [completes]),
}

# Trials


def tenant_event(event: type[Any], *, hours: float | None, status: str = "trial", before: bool = False) -> Act:
    """Receive an event. `before`: one that was published before the last one and arrives after it."""

    async def act(it: Planned) -> None:
        if not it.path:
            it.id, it.path = uuid4(), "/tenant"
            it.schedule = timer_of(it.id)
        now = it.scheduler.clock.now() + timedelta(seconds=2)
        it.scheduler.clock.set(now)
        ends_at = None if hours is None else now + timedelta(hours=hours)
        fact = event(tenant_id=it.id, name="Acme", status=status, trial_ends_at=ends_at)
        await it.scheduler.receive(fact, tenant_id=it.id, time=now - timedelta(hours=9 if before else 0))

    return act


trial_starts, extended = tenant_event(TenantCreated, hours=1), tenant_event(TenantTrialExtended, hours=1.5)
tenant_pays = tenant_event(TenantUpdated, hours=None, status="active")
old = [tenant_event(TenantUpdated, hours=None, status="active", before=True)]
old.append(tenant_event(TenantTrialExtended, hours=5, before=True))

TRIAL: Rows = {
    ("–", "tenant.created with a trial"): paths([()], [trial_starts]),
    ("scheduled, over", "tenant.* with another trial_ends_at"): paths(
        [(trial_starts,), (trial_starts, due), (trial_starts, tenant_pays)], [extended]
    ),
    ("scheduled", "tenant.* without a running trial"): paths([(trial_starts,)], [tenant_pays]),
    ("scheduled", "due"): paths([(trial_starts,)], [due]),
    ("any", "an event older than the last one applied"): paths([(trial_starts,), (trial_starts, due)], old),
}
