"""Events of `scheduler`: reminders, campaigns and calls that are scheduled, changed and due."""

from typing import Literal
from uuid import UUID

from switchboard.contracts.conversations import CallEvent, CampaignEvent
from switchboard.contracts.message import Event, Moment

ReminderStatus = Literal["scheduled", "fired", "skipped", "cancelled"]


class _ReminderEvent(Event):
    """State of a reminder. `late`: it was due during an outage. `lead_id` is the id in the CRM."""

    visible_to = "user"

    reminder_id: UUID
    user_id: UUID
    lead_id: str
    note: str
    remind_at: Moment
    late: bool = False
    status: ReminderStatus = "scheduled"

    @property
    def subject(self) -> str:
        return f"reminder/{self.reminder_id}"


class ReminderCreated(_ReminderEvent):
    """A reminder is planned."""

    type = "reminder.created"


class ReminderUpdated(_ReminderEvent):
    """A reminder was edited, snoozed or taken back."""

    type = "reminder.updated"


class ReminderFired(_ReminderEvent):
    """A reminder came due; its notification is on the way."""

    type = "reminder.fired"


class CampaignScheduled(CampaignEvent):
    """A campaign is planned, or planned anew."""

    type = "campaign.scheduled"


class CampaignPaused(CampaignEvent):
    """Nobody further is sent to until it is resumed."""

    type = "campaign.paused"


class CampaignResumed(CampaignEvent):
    """It goes on where it was paused."""

    type = "campaign.resumed"


class CampaignCancelled(CampaignEvent):
    """It ends here."""

    type = "campaign.cancelled"


class CallScheduled(CallEvent):
    """A call is planned, or planned anew."""

    type = "call.scheduled"


class CallCancelled(CallEvent):
    """A planned call was taken back."""

    type = "call.cancelled"
