"""What this service does when it hears of something: message -> function."""

from __future__ import annotations

from conversations.actions import calls, campaigns, notifications
from conversations.actions import users as projections
from switchboard.contracts import auth, files
from switchboard.contracts import conversations as contract
from switchboard.messaging.inbox.subscriptions import Subscriptions


def subscriptions() -> Subscriptions:
    subs = Subscriptions("conversations")
    subs.on(auth.TenantCreated, projections.project_tenant)
    subs.on(auth.TenantUpdated, projections.project_tenant)
    subs.on(auth.TenantTrialExtended, projections.project_tenant)
    subs.on(auth.TenantTrialExpired, projections.project_tenant)
    subs.on(auth.UserCreated, projections.project_user)
    subs.on(auth.UserUpdated, projections.project_user)
    subs.on(files.FileUploaded, projections.project_upload)
    subs.on(files.FileDeleted, projections.project_deletion)
    subs.on(contract.ReminderFire, notifications.remind)
    subs.on(contract.CampaignRun, campaigns.run_campaign)
    subs.on(contract.CampaignPause, campaigns.pause_campaign)
    subs.on(contract.CampaignResume, campaigns.resume_campaign)
    subs.on(contract.CampaignCancel, campaigns.cancel_campaign)
    subs.on(contract.CallPlace, calls.place_call)
    subs.on(contract.CallsCleanup, calls.clean_up_calls)
    return subs
