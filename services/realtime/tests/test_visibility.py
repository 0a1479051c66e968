"""Who sees what: each event of the contract, as seen by the user it concerns, a colleague and another tenant."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from realtime.consumers import FEED
from switchboard.contracts import auth, conversations, files, scheduler
from switchboard.contracts.message import Event
from switchboard.testing import becomes

from .client import Client
from .cluster import Cluster
from .fixtures import ANNA, BEN, STRANGER, TENANT, read_by

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ID = UUID(int=5)
PHONE = "+14155550100"
MINE: dict[str, Any] = {"user_id": ANNA.user_id, "contact_phone": PHONE}

_tenant = {"tenant_id": TENANT, "name": "Acme", "status": "trial", "trial_ends_at": NOW}
_user = {"user_id": BEN.user_id, "email": "ben@example.com", "name": "Ben", "role": "agent", "disabled": False}
_reminder = {"reminder_id": ID, "user_id": ANNA.user_id, "lead_id": "1", "note": "", "remind_at": NOW}
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
    *((cls, _campaign, ALL) for cls in (conversations.CampaignStarted, conversations.CampaignProgress)),
    *((cls, _campaign, ALL) for cls in (conversations.CampaignCompleted, scheduler.CampaignScheduled)),
    *((cls, _campaign, ALL) for cls in (scheduler.CampaignPaused, scheduler.CampaignResumed)),
    (scheduler.CampaignCancelled, _campaign, ALL),
    *((cls, _reminder, ONE) for cls in (scheduler.ReminderCreated, scheduler.ReminderUpdated, scheduler.ReminderFired)),
    *((cls, _call, ONE) for cls in (conversations.CallRinging, conversations.CallCompleted, conversations.CallMissed)),
    *((cls, _call, ONE) for cls in (conversations.CallFailed, scheduler.CallScheduled, scheduler.CallCancelled)),
]


async def test_each_event_reaches_exactly_the_users_that_may_see_it(cluster: Cluster) -> None:
    clients = [await cluster.connect(user) for user in (ANNA, BEN, STRANGER)]

    await cluster.append(*(cls.model_validate(fields) for cls, fields, _ in EVENTS))
    for user in (ANNA, BEN, STRANGER):
        await cluster.append(read_by(user, 99), tenant_id=user.tenant_id)

    for client in clients:
        await becomes(lambda client=client: client.seqs[-1:], [99])
    anna, ben, stranger = (types(client)[:-1] for client in clients)
    assert anna == [cls.type for cls, _, _ in EVENTS]
    assert ben == [cls.type for cls, _, audience in EVENTS if audience == ALL]
    assert stranger == []


def test_the_table_names_every_event_but_the_end_of_sessions() -> None:
    assert {cls for cls, _, _ in EVENTS} == set(FEED.types) - {auth.SessionRevoked}


@pytest.mark.parametrize("chosen", [{"user_id": str(ANNA.user_id)}, {"tenant_id": str(TENANT)}, {"room": "tenant"}])
async def test_nothing_that_a_client_sends_chooses_its_user_or_tenant(cluster: Cluster, chosen: dict[str, str]) -> None:
    stranger = await cluster.connect(STRANGER, auth=chosen)
    await stranger.socket.call("typing", {"contact_phone": PHONE, "typing": True, **chosen})

    await cluster.append(*(cls.model_validate(fields) for cls, fields, _ in EVENTS))
    await cluster.append(read_by(STRANGER, 99), tenant_id=STRANGER.tenant_id)

    await becomes(lambda: stranger.seqs, [99])
    assert (stranger.ready["user_id"], stranger.ready["tenant_id"]) == (
        str(STRANGER.user_id),
        str(STRANGER.tenant_id),
    )


def types(client: Client) -> list[str]:
    return [name for name, payload in client.received if "event_id" in payload]
