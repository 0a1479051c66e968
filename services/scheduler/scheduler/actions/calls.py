"""Calls: planned, changed, taken back, and followed once they are placed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from scheduler.actions.planning import check_time, refuse, sees, user_of
from scheduler.actions.wakeup import notify_leader
from scheduler.domain.kinds.call import CANCELLED, KIND, SCHEDULED, after_result, cancelled, planned
from scheduler.domain.refusals import AlreadyFired, WrongState
from scheduler.domain.schedules import Misfire, Schedule
from scheduler.store import schedules
from switchboard.contracts.conversations import CallEvent
from switchboard.http.identity import Identity
from switchboard.messaging.outbox.unit_of_work import Work
from switchboard.replica.user_directory import TenantUsers
from switchboard.runtime.refusals import NotFound


async def plan_call(
    work: Work,
    caller: Identity,
    users: TenantUsers,
    now: datetime,
    *,
    contact_phone: str,
    scheduled_at: datetime,
    note: str,
    user_id: UUID | None,
    misfire: Misfire,
    id: UUID | None = None,
) -> Schedule:
    """Plan a call. Its user needs a phone to be rung at. `id`: of one that was planned elsewhere before."""
    check_time("scheduled_at", scheduled_at, now)
    owner = await user_of(users, caller, user_id)
    await _check_can_be_rung(users, owner)
    call = Schedule(
        id=id or uuid7(),
        kind=KIND,
        status=SCHEDULED,
        next_at=scheduled_at,
        planned_at=scheduled_at,
        tenant_id=caller.tenant_id,
        user_id=owner,
        misfire=misfire,
        payload={"contact_phone": contact_phone, "note": note},
        created_at=now,
        updated_at=now,
    )
    await schedules.add_schedule(work.conn, call)
    await work.publish(planned(call))
    notify_leader(work, call.due_at, now)
    return call


async def change_call(
    work: Work, caller: Identity, users: TenantUsers, now: datetime, call_id: UUID, changes: dict[str, Any]
) -> Schedule:
    """Change what `changes` names, while it is still to come."""
    call = await _lock_planned(work, caller, call_id)
    for name, value in changes.items():
        if value is None:
            raise refuse(name, "can be changed, but not taken away")
    if "scheduled_at" in changes:
        check_time("scheduled_at", changes["scheduled_at"], now)
    owner = call.user_id
    if "user_id" in changes:
        owner = await user_of(users, caller, changes["user_id"])
        await _check_can_be_rung(users, owner)
    kept = {name: changes[name] for name in {"contact_phone", "note"} & changes.keys()}
    anew = call.planned_anew(changes.get("scheduled_at", call.planned_at), None)
    changed = replace(
        anew, user_id=owner, payload={**call.payload, **kept}, misfire=changes.get("misfire", call.misfire)
    )
    saved = await schedules.save_schedule(work.conn, changed, now)
    await work.publish(planned(saved))
    notify_leader(work, saved.due_at, now)
    return saved


async def cancel_call(work: Work, caller: Identity, now: datetime, call_id: UUID) -> None:
    """It will not be placed. Raises `AlreadyFired` when it was; a second time changes nothing."""
    call = await _lock(work, caller, call_id)
    if call.status == CANCELLED:
        return
    if call.next_at is None:
        raise AlreadyFired
    saved = await schedules.save_schedule(work.conn, replace(call.without_plan(), status=CANCELLED), now)
    await work.publish(cancelled(saved))


async def follow_call(work: Work, event: CallEvent, made_at: datetime, now: datetime) -> None:
    """Take over how it went."""
    call = await schedules.find_any(work.conn, event.call_id, lock=True)
    if call is None or call.kind != KIND:
        return  # not one of ours
    told = after_result(call, event, made_at)
    if told != call:
        await schedules.save_schedule(work.conn, told, now)


async def _check_can_be_rung(users: TenantUsers, user_id: UUID) -> None:
    if await users.find(user_id, with_phone=True) is None:
        raise refuse("user_id", "has no notify_phone to be rung at; PATCH /auth/me sets it")


async def _lock(work: Work, caller: Identity, call_id: UUID) -> Schedule:
    call = await schedules.lock_schedule(work.conn, KIND, caller.tenant_id, call_id)
    if not sees(caller, call.user_id):
        raise NotFound
    return call


async def _lock_planned(work: Work, caller: Identity, call_id: UUID) -> Schedule:
    call = await _lock(work, caller, call_id)
    if call.status == CANCELLED:
        raise WrongState("this call was cancelled")
    if call.next_at is None:
        raise AlreadyFired
    return call
