"""The messages that conversations consumes, and the action for each."""

from __future__ import annotations

from conversations.actions import calls, campaigns, documents, notifications
from switchboard.contracts import auth, files
from switchboard.contracts import conversations as contract
from switchboard.messaging.inbox.subscriptions import Subscriptions
from switchboard.replica.user_replica import UserReplica


def subscriptions() -> Subscriptions:
    """The subscriptions of the queue `conversations`."""
    users = UserReplica(user_columns=("email",))
    subs = Subscriptions("conversations")
    subs.on(auth.TenantCreated, users.apply_tenant)
    subs.on(auth.TenantUpdated, users.apply_tenant)
    subs.on(auth.TenantTrialExtended, users.apply_tenant)
    subs.on(auth.TenantTrialExpired, users.apply_tenant)
    subs.on(auth.UserCreated, users.apply_user)
    subs.on(auth.UserUpdated, users.apply_user)
    subs.on(files.FileUploaded, documents.apply_upload)
    subs.on(files.FileDeleted, documents.apply_deletion)
    subs.on(contract.ReminderFire, notifications.remind)
    subs.on(contract.CampaignRun, campaigns.run_campaign)
    subs.on(contract.CampaignPause, campaigns.pause_campaign)
    subs.on(contract.CampaignResume, campaigns.resume_campaign)
    subs.on(contract.CampaignCancel, campaigns.cancel_campaign)
    subs.on(contract.CallPlace, calls.place_call)
    subs.on(contract.CallsCleanup, calls.clean_up_calls)
    return subs
