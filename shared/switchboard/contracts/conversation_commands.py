"""Commands of `conversations`: campaign runs, reminders, calls. The scheduler publishes them when they are due."""

from uuid import UUID

from pydantic import ConfigDict, Field

from switchboard.contracts.message import Command, Data, Moment


class CampaignAudience(Data):
    """Exactly one of the three. Phones are E.164."""

    phones: tuple[str, ...] | None = None
    tags: tuple[str, ...] | None = None
    all: bool | None = None


class QuietHours(Data):
    """Local times `HH:MM` of the recipient, between which nothing is sent; may span midnight."""

    model_config = ConfigDict(populate_by_name=True)

    from_: str = Field(alias="from")
    to: str


class _CampaignCommand(Command):
    campaign_id: UUID

    @property
    def subject(self) -> str:
        return f"campaign/{self.campaign_id}"


class CampaignRun(_CampaignCommand):
    """Begin this run. `late`: it was due while nobody could begin it. `rate_per_second` bounds this campaign alone."""

    type = "campaign.run"

    user_id: UUID
    name: str
    channel: str | None = None
    template: str
    audience: CampaignAudience
    time_zone: str | None = None
    not_after: Moment | None = None
    quiet_hours: QuietHours | None = None
    rate_per_second: float | None = None
    late: bool = False


class CampaignPause(_CampaignCommand):
    """Claim no further recipient until resumed."""

    type = "campaign.pause"

    revision: int


class CampaignResume(_CampaignCommand):
    """Go on where it was paused."""

    type = "campaign.resume"

    revision: int


class CampaignCancel(_CampaignCommand):
    """Send to nobody who was not yet sent to."""

    type = "campaign.cancel"

    revision: int


class ReminderFire(Command):
    """Tell the user of a reminder that is due. `late`: it was due while nobody could fire it."""

    type = "reminder.fire"

    reminder_id: UUID
    user_id: UUID
    lead_id: str
    note: str
    remind_at: Moment
    late: bool = False

    @property
    def subject(self) -> str:
        return f"reminder/{self.reminder_id}"


class CallPlace(Command):
    """Ring the user's `notify_phone` and connect the contact."""

    type = "call.place"

    call_id: UUID
    user_id: UUID
    contact_phone: str  # E.164
    scheduled_at: Moment
    note: str = ""
    late: bool = False

    @property
    def subject(self) -> str:
        return f"call/{self.call_id}"


class CallsCleanup(Command):
    """Turn calls that never came to an end into missed ones."""

    type = "calls.cleanup"

    @property
    def subject(self) -> str:
        return "calls"
