"""Which users may see which event."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from switchboard.contracts import auth, conversations, files, scheduler
from switchboard.contracts.message import Event

from .fixtures import ANNA, BEN, TENANT

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ID = UUID(int=5)
PHONE = "+14155550100"
MINE: dict[str, Any] = {"user_id": ANNA.user_id, "contact_phone": PHONE}

_tenant = {"tenant_id": TENANT, "name": "Acme", "status": "trial", "trial_ends_at": NOW}
_user = {"user_id": BEN.user_id, "email": "ben@example.com", "name": "Ben", "role": "agent", "disabled": False}
_reminder = {"reminder_id": ID, "user_id": ANNA.user_id, "lead_id": "1", "note": "", "remind_at": NOW}
_contact = {"contact_id": ID, "phone": PHONE, "created_at": NOW, "updated_at": NOW}
_campaign = {"campaign_id": ID, "status": "running"}
_call = {**MINE, "call_id": ID, "scheduled_at": NOW, "status": "scheduled"}
_file = {
    "id": ID, "name": "a.txt", "key": "k", "size": 1, "content_type": "text/plain", "sha256": "0" * 64,
    "entity_type": "lead", "entity_id": "1", "uploaded_by": ANNA.user_id, "created_at": NOW,
}  # fmt: skip
_message = {
    "id": ID, "seq": 1, "direction": "in", "channel": "sandbox", "body": "hi", "status": "received", "created_at": NOW,
}  # fmt: skip

ALL = "the tenant"
ONE = "the user"
EVENTS: list[tuple[type[Event], dict[str, Any], str]] = [
    *((cls, _tenant, ALL) for cls in (auth.TenantCreated, auth.TenantUpdated)),
    *((cls, _tenant, ALL) for cls in (auth.TenantTrialExtended, auth.TenantTrialExpired)),
    *((cls, _user, ALL) for cls in (auth.UserCreated, auth.UserUpdated)),
    *((cls, _file, ALL) for cls in (files.FileUploaded, files.FileDeleted)),
    (conversations.ConversationMessageAppended, {**MINE, "message": _message}, ONE),
    (conversations.ConversationCleared, {**MINE, "up_to_seq": 1}, ONE),
    (conversations.ConversationRead, {**MINE, "seq": 1}, ONE),
    (conversations.MessageStatusChanged, {**MINE, "message_id": ID, "seq": 1, "status": "sent"}, ONE),
    (
        conversations.NotificationCreated,
        {"notification_id": ID, "user_id": ANNA.user_id, "kind": "system", "title": "", "body": ""},
        ONE,
    ),
    *((cls, _contact, ALL) for cls in (conversations.ContactCreated, conversations.ContactUpdated)),
    (conversations.ContactDeleted, {"contact_id": ID, "phone": PHONE}, ALL),
    (conversations.ContactImported, {"import_id": ID, "created": 1, "updated": 0}, ALL),
    *((cls, _campaign, ALL) for cls in (conversations.CampaignStarted, conversations.CampaignProgress)),
    *((cls, _campaign, ALL) for cls in (conversations.CampaignCompleted, scheduler.CampaignScheduled)),
    *((cls, _campaign, ALL) for cls in (scheduler.CampaignPaused, scheduler.CampaignResumed)),
    (scheduler.CampaignCancelled, _campaign, ALL),
    *((cls, _reminder, ONE) for cls in (scheduler.ReminderCreated, scheduler.ReminderUpdated, scheduler.ReminderFired)),
    *((cls, _call, ONE) for cls in (conversations.CallRinging, conversations.CallCompleted, conversations.CallMissed)),
    *((cls, _call, ONE) for cls in (conversations.CallFailed, scheduler.CallScheduled, scheduler.CallCancelled)),
]
