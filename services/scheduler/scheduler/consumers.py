"""Consumed messages and the actions that handle them."""

from dataclasses import dataclass

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

REPLICA = UserReplica(tenant_columns=("trial_ends_at",))


@dataclass(frozen=True)
class Handlers:
    """Handlers that need the time."""

    clock: Clock

    async def tenant(self, event: TenantEvent, work: Work) -> None:
        """Replicate a tenant, and follow its trial."""
        if await REPLICA.save_tenant(event, work):
            await follow_trial(work, event, self.clock.now())

    async def campaign(self, event: CampaignEvent, work: Work) -> None:
        """Follow a campaign that runs in `conversations`."""
        assert work.envelope is not None
        await follow_campaign(work, event, work.envelope.time, self.clock.now())

    async def call(self, event: CallEvent, work: Work) -> None:
        """Follow a call that `conversations` places."""
        assert work.envelope is not None
        await follow_call(work, event, work.envelope.time, self.clock.now())


def subscriptions(clock: Clock) -> Subscriptions:
    on = Handlers(clock)
    subs = Subscriptions("scheduler")
    subs.on(UserCreated, REPLICA.apply_user)
    subs.on(UserUpdated, REPLICA.apply_user)
    subs.on(TenantCreated, on.tenant)
    subs.on(TenantUpdated, on.tenant)
    subs.on(TenantTrialExtended, on.tenant)
    subs.on(TenantTrialExpired, on.tenant)
    subs.on(CampaignStarted, on.campaign)
    subs.on(CampaignProgress, on.campaign)
    subs.on(CampaignCompleted, on.campaign)
    subs.on(CallRinging, on.call)
    subs.on(CallCompleted, on.call)
    subs.on(CallMissed, on.call)
    subs.on(CallFailed, on.call)
    return subs
