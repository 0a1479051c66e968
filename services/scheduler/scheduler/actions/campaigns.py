"""Campaigns: planned, paused, resumed, cancelled, and followed while they run."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from scheduler.actions.planning import check_time, check_zone, refuse
from scheduler.actions.wakeup import notify_leader
from scheduler.domain.kinds import campaign as kind
from scheduler.domain.refusals import WrongState
from scheduler.domain.schedules import Schedule
from scheduler.store import schedules
from switchboard.contracts.conversations import (
    CampaignCancel,
    CampaignCounts,
    CampaignEvent,
    CampaignPause,
    CampaignResume,
)
from switchboard.contracts.message import Command, Event
from switchboard.contracts.templates import FIELDS, unknown_fields
from switchboard.http.identity import Identity, Role
from switchboard.messaging.outbox.unit_of_work import Work
from switchboard.runtime.refusals import Forbidden


async def plan_campaign(
    work: Work, caller: Identity, now: datetime, plan: dict[str, Any], *, id: UUID | None = None
) -> Schedule:
    """Plan a campaign. `plan` is JSON-ready but for its times. `id`: of one that was planned elsewhere before."""
    send_at, not_after = plan.pop("send_at"), plan.pop("not_after")
    check_time("send_at", send_at, now)
    check_zone(plan["time_zone"])
    if not_after is not None and not_after <= send_at:
        raise refuse("not_after", "has to be later than send_at")
    if unknown := unknown_fields(plan["template"]):
        raise refuse("template", f"{{{{{unknown[0]}}}}} is not one of {', '.join(FIELDS)}")
    counts = CampaignCounts().model_dump(mode="json")
    payload = {**plan, "not_after": not_after and not_after.isoformat(), "counts": counts}
    campaign = Schedule(
        id=id or uuid7(),
        kind=kind.KIND,
        status=kind.SCHEDULED,
        next_at=send_at,
        planned_at=send_at,
        tenant_id=caller.tenant_id,
        user_id=caller.user_id,
        payload=payload,
        created_at=now,
        updated_at=now,
    )
    await schedules.add_schedule(work.conn, campaign)
    await work.publish(kind.scheduled(campaign))
    notify_leader(work, campaign.due_at, now)
    return campaign


async def pause_campaign(work: Work, caller: Identity, now: datetime, campaign_id: UUID) -> Schedule:
    """Nobody further is sent to. One that has not begun doesn't begin."""
    campaign = await _lock(work, caller, campaign_id, kind.SCHEDULED, kind.RUNNING)
    paused = replace(campaign.without_plan(), status=kind.PAUSED)
    command = CampaignPause(campaign_id=campaign.id, revision=paused.revision)
    return await _save(work, paused, now, command, kind.paused(paused))


async def resume_campaign(work: Work, caller: Identity, now: datetime, campaign_id: UUID) -> Schedule:
    """It goes on. One that has not begun waits for its time, or begins when that has passed."""
    campaign = await _lock(work, caller, campaign_id, kind.PAUSED)
    if kind.has_run(campaign):
        resumed = replace(campaign, status=kind.RUNNING, revision=campaign.revision + 1)
    else:
        resumed = replace(campaign.planned_anew(max(campaign.planned_at, now), None), status=kind.SCHEDULED)
    command = CampaignResume(campaign_id=campaign.id, revision=resumed.revision)
    return await _save(work, resumed, now, command, kind.resumed(resumed))


async def cancel_campaign(work: Work, caller: Identity, now: datetime, campaign_id: UUID) -> Schedule:
    """It ends here: nobody is sent to who was not yet."""
    campaign = await _lock(work, caller, campaign_id, kind.SCHEDULED, kind.RUNNING, kind.PAUSED)
    ended = replace(campaign.without_plan(), status=kind.CANCELLED)
    command = CampaignCancel(campaign_id=campaign.id, revision=ended.revision)
    return await _save(work, ended, now, command, kind.cancelled(ended))


async def follow_campaign(work: Work, event: CampaignEvent, made_at: datetime, now: datetime) -> None:
    """Take over how far it is."""
    campaign = await schedules.find_any(work.conn, event.campaign_id, lock=True)
    if campaign is None or campaign.kind != kind.KIND:
        return  # not one of ours
    told = kind.after_result(campaign, event, made_at)
    if told != campaign:
        await schedules.save_schedule(work.conn, told, now)


async def _lock(work: Work, caller: Identity, campaign_id: UUID, *allowed: str) -> Schedule:
    campaign = await schedules.lock_schedule(work.conn, kind.KIND, caller.tenant_id, campaign_id)
    if campaign.user_id != caller.user_id and caller.role < Role.ADMIN:
        raise Forbidden("only its maker and admins steer a campaign")
    if campaign.status not in allowed:
        raise WrongState(f"this campaign is {campaign.status}")
    return campaign


async def _save(work: Work, campaign: Schedule, now: datetime, command: Command, event: Event) -> Schedule:
    """What has not begun is nobody else's business: no command then."""
    saved = await schedules.save_schedule(work.conn, campaign, now)
    if kind.has_run(saved):
        await work.publish(command)
    await work.publish(event)
    notify_leader(work, saved.due_at, now)
    return saved
