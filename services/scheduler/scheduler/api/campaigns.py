"""Campaigns over HTTP: the tenant's; its maker and admins steer one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import asyncpg
from pydantic import BaseModel, ConfigDict, Field, model_validator

from scheduler.actions import campaigns
from scheduler.api.fields import Phone, ZoneName
from scheduler.domain.clock import Clock
from scheduler.domain.kinds.campaign import KIND
from scheduler.domain.refusals import WrongState
from scheduler.domain.schedules import Schedule
from scheduler.store import schedules
from switchboard.contracts.conversations import CampaignCounts, CampaignStatus
from switchboard.http.paging import Page, PageQuery, decode_cursor, page
from switchboard.http.parsing import Body, Moment
from switchboard.http.routing import ReadRoute, Request, Route, WriteRoute
from switchboard.messaging.outbox.unit_of_work import Work
from switchboard.runtime.phones import requested_phone

PATH = "/api/v1/campaigns"

LocalTime = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$", examples=["21:00"])]
Tag = Annotated[str, Field(min_length=1, max_length=100)]
Text = Annotated[str, Field(min_length=1, max_length=5000)]


class Audience(Body):
    """Exactly one of the three."""

    phones: Annotated[list[Phone], Field(min_length=1)] | None = None
    tags: Annotated[list[Tag], Field(min_length=1, max_length=100)] | None = None
    all: bool | None = None

    @model_validator(mode="after")
    def _one_of_three(self) -> Audience:
        if (self.phones is not None) + (self.tags is not None) + (self.all is True) != 1:
            raise ValueError("has to name exactly one of phones, tags, all: true")
        return self


class Quiet(Body):
    """Local times of the recipient between which nothing is sent; may span midnight."""

    model_config = ConfigDict(populate_by_name=True)

    from_: LocalTime = Field(alias="from")
    to: LocalTime

    @model_validator(mode="after")
    def _some_time(self) -> Quiet:
        if self.from_ == self.to:
            raise ValueError("has to end at another time than it begins")
        return self


class NewCampaign(Body):
    """`template` takes `{{name}}`, `{{first_name}}`, `{{phone}}`. It doesn't begin, nor send, after `not_after`."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    channel: Annotated[str, Field(min_length=1, max_length=32)] | None = None
    template: Text
    audience: Audience
    send_at: Moment
    time_zone: ZoneName | None = None
    not_after: Moment | None = None
    quiet_hours: Quiet | None = None
    rate_per_second: Annotated[float, Field(gt=0, le=1000)] | None = None


class CampaignAnswer(BaseModel):
    id: UUID
    name: str
    status: CampaignStatus
    counts: CampaignCounts
    channel: str | None
    template: str
    audience: dict[str, Any]
    send_at: datetime
    time_zone: str | None
    not_after: datetime | None
    quiet_hours: dict[str, str] | None
    rate_per_second: float | None
    user_id: UUID
    started_at: datetime | None
    late: bool
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, campaign: Schedule) -> CampaignAnswer:
        kept = {name: getattr(campaign, name) for name in cls.model_fields.keys() & vars(campaign).keys()}
        told = {"send_at": campaign.planned_at, "started_at": campaign.fired_at}
        return cls.model_validate({**campaign.payload, **kept, **told})


def campaign_routes(clock: Clock, region: str | None) -> list[Route]:
    """The table. `region`: where a phone without a country is at home."""

    async def create(request: Request, work: Work) -> CampaignAnswer:
        """Plan a campaign."""
        plan = plan_of(request.body, region)
        return CampaignAnswer.of(await campaigns.plan_campaign(work, request.identity, clock.now(), plan))

    def step(path: str, action: Callable[..., Awaitable[Schedule]], summary: str) -> Route:
        async def take(request: Request, work: Work) -> CampaignAnswer:
            return CampaignAnswer.of(await action(work, request.identity, clock.now(), request.uuid("id")))

        return WriteRoute("POST", path, take, answer=CampaignAnswer, summary=summary, errors=(WrongState,))

    return [
        ReadRoute("GET", PATH, list_campaigns, query=PageQuery, answer=Page[CampaignAnswer]),
        WriteRoute("POST", PATH, create, body=NewCampaign, answer=CampaignAnswer, creates=True),
        ReadRoute("GET", PATH + "/{id}", get_campaign, answer=CampaignAnswer),
        step(PATH + "/{id}/pause", campaigns.pause_campaign, "Send to nobody further for now."),
        step(PATH + "/{id}/resume", campaigns.resume_campaign, "Go on where it was paused."),
        step(PATH + "/{id}/cancel", campaigns.cancel_campaign, "End it here."),
    ]


async def list_campaigns(request: Request, conn: asyncpg.Connection) -> Page[CampaignAnswer]:
    """The tenant's campaigns, by their time."""
    after = decode_cursor(request.query.cursor, datetime, UUID) if request.query.cursor else None
    found = await schedules.list_owned(
        conn, KIND, request.identity.tenant_id, user_id=None, after=after, limit=request.query.limit + 1
    )
    shown, cursor = page(found, request.query.limit, lambda each: (each.planned_at, each.id))
    return Page(items=[CampaignAnswer.of(each) for each in shown], next_cursor=cursor)


async def get_campaign(request: Request, conn: asyncpg.Connection) -> CampaignAnswer:
    """One campaign, with its counts."""
    return CampaignAnswer.of(await schedules.get_schedule(conn, KIND, request.identity.tenant_id, request.uuid("id")))


def plan_of(body: NewCampaign, region: str | None) -> dict[str, Any]:
    """What `plan_campaign` takes."""
    plan = body.model_dump(mode="json", by_alias=True, exclude={"send_at", "not_after"})
    audience = _audience(body.audience, region)
    return {**plan, "audience": audience, "send_at": body.send_at, "not_after": body.not_after}


def _audience(audience: Audience, region: str | None) -> dict[str, Any]:
    """As the bus carries it, each phone once."""
    if audience.phones is None:
        return audience.model_dump(mode="json", exclude_none=True)
    phones = [requested_phone(each, region, "body", "audience", "phones", n) for n, each in enumerate(audience.phones)]
    return {"phones": list(dict.fromkeys(phones))}
