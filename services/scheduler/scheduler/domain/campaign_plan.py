"""The plan of a campaign: the body of a request, and of a row that is imported."""

from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from scheduler.domain.fields import Phone, ZoneName
from switchboard.contracts.conversations import SENT_CHANNELS
from switchboard.http.parsing import Body, Moment
from switchboard.runtime.phones import requested_phone

LocalTime = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$", examples=["21:00"])]
Tag = Annotated[str, Field(min_length=1, max_length=100)]
Text = Annotated[str, Field(min_length=1, max_length=5000)]


class Audience(Body):
    """Exactly one of the three."""

    phones: Annotated[list[Phone], Field(min_length=1)] | None = None
    tags: Annotated[list[Tag], Field(min_length=1, max_length=100)] | None = None
    all: bool | None = None

    @model_validator(mode="after")
    def _one_of_three(self) -> "Audience":
        if (self.phones is not None) + (self.tags is not None) + (self.all is True) != 1:
            raise ValueError("has to name exactly one of phones, tags, all: true")
        return self

    def normalised(self, region: str | None) -> dict[str, Any]:
        """The audience as the bus carries it: phones in E.164, each once. Raises `Invalid`."""
        if self.phones is None:
            return self.model_dump(mode="json", exclude_none=True)
        phones = [requested_phone(each, region, "body", "audience", "phones", n) for n, each in enumerate(self.phones)]
        return {"phones": list(dict.fromkeys(phones))}


class Quiet(Body):
    """Local times of the recipient between which nothing is sent; may span midnight."""

    model_config = ConfigDict(populate_by_name=True)

    from_: LocalTime = Field(alias="from")
    to: LocalTime

    @model_validator(mode="after")
    def _some_time(self) -> "Quiet":
        if self.from_ == self.to:
            raise ValueError("has to end at another time than it begins")
        return self


def _can_be_sent(channel: str) -> str:
    if channel not in SENT_CHANNELS:
        raise ValueError(f"is no channel that messages are sent by: there is {', '.join(SENT_CHANNELS)}")
    return channel


class NewCampaign(Body):
    """`template` takes `{{name}}`, `{{first_name}}`, `{{phone}}`. Nothing starts or is sent after `not_after`."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    channel: Annotated[str, Field(min_length=1, max_length=32), AfterValidator(_can_be_sent)] | None = None
    template: Text
    audience: Audience
    send_at: Moment
    time_zone: ZoneName | None = None
    not_after: Moment | None = None
    quiet_hours: Quiet | None = None
    rate_per_second: Annotated[float, Field(gt=0, le=1000)] | None = None
