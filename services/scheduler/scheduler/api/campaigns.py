"""Campaigns over HTTP: the whole tenant sees them; the creator and admins control one."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from pydantic import BaseModel

from scheduler.actions import campaigns
from scheduler.api.owned import answer_of, list_page
from scheduler.domain.campaign_plan import NewCampaign
from scheduler.domain.clock import Clock
from scheduler.domain.kinds.campaign import KIND
from scheduler.domain.refusals import WrongState
from scheduler.domain.schedules import Schedule
from scheduler.store import schedules
from switchboard.contracts.conversations import CampaignCounts, CampaignStatus
from switchboard.http import Page, PageQuery, ReadRoute, Request, Route, WriteRoute
from switchboard.messaging.outbox.unit_of_work import Work

PATH = "/api/v1/campaigns"


class CampaignAnswer(BaseModel):
    """A campaign with its status and counts. `late`: whether it started late."""

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
    def of(cls, campaign: Schedule) -> "CampaignAnswer":
        return answer_of(cls, campaign, send_at=campaign.planned_at, started_at=campaign.fired_at)


@dataclass(frozen=True)
class PlannedCampaigns:
    """The routes of campaigns. `region`: the country of phone numbers without a country code."""

    clock: Clock
    region: str | None

    def routes(self) -> list[Route]:
        state = (WrongState,)
        one = PATH + "/{id}"
        return [
            ReadRoute("GET", PATH, self.list, query=PageQuery, answer=Page[CampaignAnswer]),
            WriteRoute("POST", PATH, self.create, body=NewCampaign, answer=CampaignAnswer, creates=True),
            ReadRoute("GET", one, self.get, answer=CampaignAnswer),
            WriteRoute("POST", one + "/pause", self.pause, answer=CampaignAnswer, errors=state),
            WriteRoute("POST", one + "/resume", self.resume, answer=CampaignAnswer, errors=state),
            WriteRoute("POST", one + "/cancel", self.cancel, answer=CampaignAnswer, errors=state),
        ]

    async def list(self, request: Request, conn: asyncpg.Connection) -> Page[CampaignAnswer]:
        """List the tenant's campaigns by time."""
        return await list_page(conn, request, KIND, CampaignAnswer.of)

    async def get(self, request: Request, conn: asyncpg.Connection) -> CampaignAnswer:
        """Get a campaign with its counts."""
        found = await schedules.get_schedule(conn, KIND, request.identity.tenant_id, request.uuid("id"))
        return CampaignAnswer.of(found)

    async def create(self, request: Request, work: Work) -> CampaignAnswer:
        """Plan a campaign."""
        planned = await campaigns.plan_campaign(work, request.identity, self.clock.now(), request.body, self.region)
        return CampaignAnswer.of(planned)

    async def pause(self, request: Request, work: Work) -> CampaignAnswer:
        """Pause a campaign: nothing further is sent for now."""
        paused = await campaigns.pause_campaign(work, request.identity, self.clock.now(), request.uuid("id"))
        return CampaignAnswer.of(paused)

    async def resume(self, request: Request, work: Work) -> CampaignAnswer:
        """Resume a paused campaign."""
        resumed = await campaigns.resume_campaign(work, request.identity, self.clock.now(), request.uuid("id"))
        return CampaignAnswer.of(resumed)

    async def cancel(self, request: Request, work: Work) -> CampaignAnswer:
        """Cancel a campaign: nothing further is sent."""
        cancelled = await campaigns.cancel_campaign(work, request.identity, self.clock.now(), request.uuid("id"))
        return CampaignAnswer.of(cancelled)
