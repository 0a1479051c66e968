"""Which event changes what here."""

from __future__ import annotations

from scheduler.actions.calls import follow_call
from scheduler.actions.campaigns import follow_campaign
from scheduler.actions.trials import follow_trial
from scheduler.domain.clock import Clock
from switchboard.contracts.auth import (
    TenantCreated,
    TenantTrialExpired,
    TenantTrialExtended,
    TenantUpdated,
    UserCreated,
    UserUpdated,
)
from switchboard.contracts.conversations import (
    CallCompleted,
    CallEvent,
    CallFailed,
    CallMissed,
    CallRinging,
    CampaignCompleted,
    CampaignEvent,
    CampaignProgress,
    CampaignStarted,
)
from switchboard.messaging.inbox.subscriptions import Subscriptions
from switchboard.messaging.outbox.unit_of_work import Work
from switchboard.replica.user_replica import TenantEvent, UserReplica


def subscriptions(clock: Clock) -> Subscriptions:
    """The table, and what it needs of the clock."""

    replica = UserReplica(tenant_columns=("trial_ends_at",))

    async def know_tenant(event: TenantEvent, work: Work) -> None:
        if await replica.save_tenant(event, work):
            await follow_trial(work, event, clock.now())

    async def campaign_went_on(event: CampaignEvent, work: Work) -> None:
        assert work.envelope is not None
        await follow_campaign(work, event, work.envelope.time, clock.now())

    async def call_went_on(event: CallEvent, work: Work) -> None:
        assert work.envelope is not None
        await follow_call(work, event, work.envelope.time, clock.now())

    subs = Subscriptions("scheduler")
    subs.on(UserCreated, replica.apply_user)
    subs.on(UserUpdated, replica.apply_user)
    subs.on(TenantCreated, know_tenant)
    subs.on(TenantUpdated, know_tenant)
    subs.on(TenantTrialExtended, know_tenant)
    subs.on(TenantTrialExpired, know_tenant)
    subs.on(CampaignStarted, campaign_went_on)
    subs.on(CampaignProgress, campaign_went_on)
    subs.on(CampaignCompleted, campaign_went_on)
    subs.on(CallRinging, call_went_on)
    subs.on(CallCompleted, call_went_on)
    subs.on(CallMissed, call_went_on)
    subs.on(CallFailed, call_went_on)
    return subs
