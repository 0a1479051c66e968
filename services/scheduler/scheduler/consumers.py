"""Which event changes what here."""

from __future__ import annotations

from scheduler.actions.calls import follow_call
from scheduler.actions.campaigns import follow_campaign
from scheduler.actions.trials import follow_trial
from scheduler.domain.clock import Clock
from scheduler.store import users as people
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

TenantEvent = TenantCreated | TenantUpdated | TenantTrialExtended | TenantTrialExpired


async def know_user(event: UserCreated | UserUpdated, work: Work) -> None:
    assert work.tenant_id is not None
    assert work.envelope is not None
    await people.save_user(work.conn, people.user_of(event, work.tenant_id), as_of=work.envelope.time)


def subscriptions(clock: Clock) -> Subscriptions:
    """The table, and what it needs of the clock."""

    async def know_tenant(event: TenantEvent, work: Work) -> None:
        assert work.envelope is not None
        tenant = people.Tenant(event.tenant_id, event.name, event.status, event.trial_ends_at)
        if await people.save_tenant(work.conn, tenant, as_of=work.envelope.time):
            await follow_trial(work, tenant, clock.now())

    async def campaign_went_on(event: CampaignEvent, work: Work) -> None:
        assert work.envelope is not None
        await follow_campaign(work, event, work.envelope.time, clock.now())

    async def call_went_on(event: CallEvent, work: Work) -> None:
        assert work.envelope is not None
        await follow_call(work, event, work.envelope.time, clock.now())

    subs = Subscriptions("scheduler")
    subs.on(UserCreated, know_user)
    subs.on(UserUpdated, know_user)
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
