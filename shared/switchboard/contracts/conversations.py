"""Events of `conversations`: messages, notifications, campaign runs, calls."""

from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from switchboard.contracts.message import Data, Event, Moment, conversation_subject

Direction = Literal["in", "out"]
MessageStatus = Literal["received", "queued", "sent", "delivered", "read", "failed", "uncertain"]
NotificationKind = Literal["reminder", "call", "campaign", "system"]
CampaignStatus = Literal["scheduled", "running", "paused", "completed", "cancelled"]
SENT_CHANNELS = ("sms",)
"""The channels that messages are sent by. What isn't carried is refused before it is accepted."""
NOTE_CHANNEL = "note"
"""The channel of internal notes on a conversation: stored and heard like messages, and never sent to the contact."""
CallStatus = Literal["scheduled", "ringing", "completed", "missed", "failed", "cancelled"]


class ConversationMessage(Data):
    """A message as its reader sees it. `seq` counts from 1 in its conversation, without gaps."""

    id: UUID
    seq: int
    direction: Direction
    channel: str
    body: str
    attachments: tuple[UUID, ...] = ()
    status: MessageStatus
    created_at: Moment
    metadata: dict[str, Any] = Field(default_factory=dict)


class _ConversationEvent(Event):
    visible_to = "user"

    user_id: UUID
    contact_phone: str  # E.164

    @property
    def subject(self) -> str:
        return conversation_subject(self.user_id, self.contact_phone)


class ConversationMessageAppended(_ConversationEvent):
    """A message, of either direction, stands at the end of the conversation."""

    type = "conversation.message_appended"

    message: ConversationMessage


class ConversationCleared(_ConversationEvent):
    """The messages up to and with `up_to_seq` are gone; numbering goes on after it."""

    type = "conversation.cleared"

    up_to_seq: int


class ConversationRead(_ConversationEvent):
    """The user has read up to and with `seq`."""

    type = "conversation.read"

    seq: int


class MessageStatusChanged(_ConversationEvent):
    """A message went on in its delivery; `error` says why it failed."""

    type = "message.status_changed"

    message_id: UUID
    seq: int
    status: MessageStatus
    error: str | None = None


class NotificationCreated(Event):
    """A user has something to look at; `subject_id` is the reminder, call or campaign it is about."""

    type = "notification.created"
    visible_to = "user"

    notification_id: UUID
    user_id: UUID
    kind: NotificationKind
    title: str
    body: str
    subject_id: UUID | None = None

    @property
    def subject(self) -> str:
        return f"user/{self.user_id}"


class CampaignCounts(Data):
    """How many of a campaign's recipients stand where."""

    total: int = 0
    sent: int = 0
    delivered: int = 0
    failed: int = 0
    skipped: int = 0
    uncertain: int = 0


class CampaignEvent(Event):
    """State of a campaign after a change."""

    visible_to = "tenant"

    campaign_id: UUID
    status: CampaignStatus
    counts: CampaignCounts = CampaignCounts()

    @property
    def subject(self) -> str:
        return f"campaign/{self.campaign_id}"


class CampaignStarted(CampaignEvent):
    """The run is recorded; its audience is being expanded and sent to."""

    type = "campaign.started"


class CampaignProgress(CampaignEvent):
    """Counts while it runs, at most once a second a campaign."""

    type = "campaign.progress"


class CampaignCompleted(CampaignEvent):
    """No recipient is pending or sending any more."""

    type = "campaign.completed"


class CallEvent(Event):
    """State of a call after a change."""

    visible_to = "user"

    call_id: UUID
    user_id: UUID
    contact_phone: str  # E.164
    scheduled_at: Moment
    status: CallStatus

    @property
    def subject(self) -> str:
        return f"call/{self.call_id}"


class CallRinging(CallEvent):
    """The user's own phone rings; the contact is connected when it is answered."""

    type = "call.ringing"


class CallCompleted(CallEvent):
    """Both sides spoke and hung up."""

    type = "call.completed"


class CallMissed(CallEvent):
    """Nobody answered, or the call never came to an end that we heard of."""

    type = "call.missed"


class CallFailed(CallEvent):
    """The provider could not place it."""

    type = "call.failed"


class _ContactChanged(Event):
    visible_to = "tenant"

    contact_id: UUID
    phone: str  # E.164

    @property
    def subject(self) -> str:
        return f"contact/{self.contact_id}"


class ContactEvent(_ContactChanged):
    """State of a contact after a change."""

    name: str | None = None
    tags: tuple[str, ...] = ()
    owner_id: UUID | None = None
    opted_out: bool = False
    created_at: Moment
    updated_at: Moment


class ContactCreated(ContactEvent):
    """A contact was added, by a user or by the first message from or to its number."""

    type = "contact.created"


class ContactUpdated(ContactEvent):
    """A contact's phone, name, tags, owner or opt-out changed."""

    type = "contact.updated"


class ContactDeleted(_ContactChanged):
    """A contact was deleted. The conversations with its phone remain."""

    type = "contact.deleted"


class ContactImported(Event):
    """Contacts were added or changed in bulk, by an import or a campaign's list of numbers: read them again.

    There are no single events of these contacts. One of `import_id` and `campaign_id` is given.
    """

    type = "contact.imported"
    visible_to = "tenant"

    import_id: UUID | None = None
    campaign_id: UUID | None = None
    created: int
    updated: int

    @property
    def subject(self) -> str:
        return f"contact_import/{self.import_id or self.campaign_id}"
