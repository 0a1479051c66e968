"""The messages that conversations consumes, and the action for each."""

from conversations.actions import calls, campaigns, documents, notifications
from switchboard.contracts import auth, files
from switchboard.contracts import conversation_commands as commands
from switchboard.messaging.inbox.subscriptions import Subscriptions
from switchboard.replica.user_replica import UserReplica


def subscriptions() -> Subscriptions:
    """The subscriptions of the queue `conversations`."""
    users = UserReplica(user_columns=("email",), tenant_columns=("suspended",))
    subs = Subscriptions("conversations")
    subs.on(auth.TenantCreated, users.apply_tenant)
    subs.on(auth.TenantUpdated, users.apply_tenant)
    subs.on(auth.TenantTrialExtended, users.apply_tenant)
    subs.on(auth.TenantTrialExpired, users.apply_tenant)
    subs.on(auth.UserCreated, users.apply_user)
    subs.on(auth.UserUpdated, users.apply_user)
    subs.on(files.FileUploaded, documents.apply_upload)
    subs.on(files.FileDeleted, documents.apply_deletion)
    subs.on(commands.ReminderFire, notifications.remind)
    subs.on(commands.CampaignRun, campaigns.run_campaign)
    subs.on(commands.CampaignPause, campaigns.pause_campaign)
    subs.on(commands.CampaignResume, campaigns.resume_campaign)
    subs.on(commands.CampaignCancel, campaigns.cancel_campaign)
    subs.on(commands.CallPlace, calls.place_call)
    subs.on(commands.CallsCleanup, calls.clean_up_calls)
    return subs
