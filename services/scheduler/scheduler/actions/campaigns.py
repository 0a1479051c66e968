"""Campaigns: plan, pause, resume, cancel, and follow their progress."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from uuid_utils.compat import uuid7

from scheduler.actions.planning import add_plan, check_time, check_time_zone, invalid, save_plan
from scheduler.domain.campaign_plan import NewCampaign
from scheduler.domain.kinds import campaign as kind
from scheduler.domain.refusals import WrongState
from scheduler.domain.schedules import Schedule
from scheduler.store import schedules
from switchboard.contracts.conversation_commands import CampaignCancel, CampaignPause, CampaignResume
from switchboard.contracts.conversations import CampaignCounts, CampaignEvent
from switchboard.contracts.message import Command, Event
from switchboard.contracts.templates import FIELDS, has_stray_braces, unknown_fields
from switchboard.http.identity import Identity, Role
from switchboard.messaging.outbox.unit_of_work import Work
from switchboard.runtime.refusals import Forbidden


async def plan_campaign(
    work: Work, caller: Identity, now: datetime, plan: NewCampaign, region: str | None, *, id: UUID | None = None
) -> Schedule:
    """Plan a campaign. `region`: the country of phones without a country code. `id`: that of an imported one."""
    audience = plan.audience.normalised(region)
    check_time("send_at", plan.send_at, now)
    check_time_zone(plan.time_zone)
    if plan.not_after is not None and plan.not_after <= plan.send_at:
        raise invalid("not_after", "has to be later than send_at")
    if unknown := unknown_fields(plan.template):
        raise invalid("template", f"{{{{{unknown[0]}}}}} is not one of {', '.join(FIELDS)}")
    if has_stray_braces(plan.template):
        raise invalid("template", "has a brace that is no part of a {{field}}, and would be sent as it is")
    campaign = Schedule(
        id=id or uuid7(),
        kind=kind.KIND,
        status=kind.SCHEDULED,
        next_at=plan.send_at,
        planned_at=plan.send_at,
        tenant_id=caller.tenant_id,
        user_id=caller.user_id,
        payload={
            **plan.model_dump(mode="json", by_alias=True, exclude={"send_at", "not_after", "audience"}),
            "audience": audience,
            "not_after": plan.not_after and plan.not_after.isoformat(),
            "counts": CampaignCounts().model_dump(mode="json"),
        },
        created_at=now,
        updated_at=now,
    )
    return await add_plan(work, campaign, now, kind.scheduled(campaign))


async def pause_campaign(work: Work, caller: Identity, now: datetime, campaign_id: UUID) -> Schedule:
    """Pause sending. A campaign that has not started does not start."""
    campaign = await _lock(work, caller, campaign_id, kind.SCHEDULED, kind.RUNNING)
    paused = replace(campaign.without_plan(), status=kind.PAUSED)
    command = CampaignPause(campaign_id=campaign.id, revision=paused.revision)
    return await _save(work, paused, now, command, kind.paused(paused))


async def resume_campaign(work: Work, caller: Identity, now: datetime, campaign_id: UUID) -> Schedule:
    """Resume sending. A campaign that has not started waits for its time, or starts if that has passed."""
    campaign = await _lock(work, caller, campaign_id, kind.PAUSED)
    if kind.has_run(campaign):
        resumed = replace(campaign, status=kind.RUNNING, revision=campaign.revision + 1)
    else:
        resumed = replace(campaign.replanned(max(campaign.planned_at, now), None), status=kind.SCHEDULED)
    command = CampaignResume(campaign_id=campaign.id, revision=resumed.revision)
    return await _save(work, resumed, now, command, kind.resumed(resumed))


async def cancel_campaign(work: Work, caller: Identity, now: datetime, campaign_id: UUID) -> Schedule:
    """Cancel a campaign: nothing further is sent."""
    campaign = await _lock(work, caller, campaign_id, kind.SCHEDULED, kind.RUNNING, kind.PAUSED)
    ended = replace(campaign.without_plan(), status=kind.CANCELLED)
    command = CampaignCancel(campaign_id=campaign.id, revision=ended.revision)
    return await _save(work, ended, now, command, kind.cancelled(ended))


async def follow_campaign(work: Work, event: CampaignEvent, event_time: datetime, now: datetime) -> None:
    """Apply an event of `conversations` about a running campaign."""
    campaign = await schedules.find_any(work.conn, event.campaign_id, lock=True)
    if campaign is None or campaign.kind != kind.KIND:
        return  # not planned here
    changed = kind.after_result(campaign, event, event_time)
    if changed != campaign:
        await schedules.save_schedule(work.conn, changed, now)


async def _lock(work: Work, caller: Identity, campaign_id: UUID, *allowed: str) -> Schedule:
    campaign = await schedules.lock_schedule(work.conn, kind.KIND, caller.tenant_id, campaign_id)
    if campaign.user_id != caller.user_id and caller.role < Role.ADMIN:
        raise Forbidden("only its creator and admins control a campaign")
    if campaign.status not in allowed:
        raise WrongState(f"This campaign is {campaign.status}.")
    return campaign


async def _save(work: Work, campaign: Schedule, now: datetime, command: Command, event: Event) -> Schedule:
    """`conversations` gets the command only if it runs the campaign already."""
    messages = (command, event) if kind.has_run(campaign) else (event,)
    return await save_plan(work, campaign, now, *messages)
