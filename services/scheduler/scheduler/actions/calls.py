"""Calls: plan, change, cancel, and follow their results."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from scheduler.actions.planning import add_plan, check_time, invalid, may_see, owner_of, save_plan
from scheduler.domain.kinds.call import CANCELLED, KIND, SCHEDULED, after_result, cancelled, planned
from scheduler.domain.refusals import AlreadyFired, WrongState
from scheduler.domain.schedules import Misfire, Schedule
from scheduler.store import schedules
from switchboard.contracts.conversations import CallEvent
from switchboard.http.identity import Identity
from switchboard.messaging.outbox.unit_of_work import Work
from switchboard.replica.user_directory import TenantUsers
from switchboard.runtime.refusals import NotFound


@dataclass(frozen=True)
class CallPlan:
    """A call to plan. `contact_phone` is E.164. Without `user_id` it is the caller's."""

    contact_phone: str
    scheduled_at: datetime
    note: str
    user_id: UUID | None = None
    misfire: Misfire = Misfire.FIRE_LATE


async def plan_call(
    work: Work, caller: Identity, users: TenantUsers, now: datetime, plan: CallPlan, *, id: UUID | None = None
) -> Schedule:
    """Plan a call. Its user needs a `notify_phone`. `id`: that of an imported one."""
    check_time("scheduled_at", plan.scheduled_at, now)
    owner = await owner_of(users, caller, plan.user_id)
    await _check_phone(users, owner)
    call = Schedule(
        id=id or uuid7(),
        kind=KIND,
        status=SCHEDULED,
        next_at=plan.scheduled_at,
        planned_at=plan.scheduled_at,
        tenant_id=caller.tenant_id,
        user_id=owner,
        misfire=plan.misfire,
        payload={"contact_phone": plan.contact_phone, "note": plan.note},
        created_at=now,
        updated_at=now,
    )
    return await add_plan(work, call, now, planned(call))


async def change_call(
    work: Work, caller: Identity, users: TenantUsers, now: datetime, call_id: UUID, changes: dict[str, Any]
) -> Schedule:
    """Change the fields in `changes` of a call that has not fired."""
    call = await _lock_planned(work, caller, call_id)
    for name, value in changes.items():
        if value is None:
            raise invalid(name, "can be changed, but not removed")
    if "scheduled_at" in changes:
        check_time("scheduled_at", changes["scheduled_at"], now)
    owner = call.user_id
    if "user_id" in changes:
        owner = await owner_of(users, caller, changes["user_id"])
        await _check_phone(users, owner)
    payload = {**call.payload, **{name: changes[name] for name in {"contact_phone", "note"} & changes.keys()}}
    replanned = call.replanned(changes.get("scheduled_at", call.planned_at), None)
    changed = replace(replanned, user_id=owner, payload=payload, misfire=changes.get("misfire", call.misfire))
    return await save_plan(work, changed, now, planned(changed))


async def cancel_call(work: Work, caller: Identity, now: datetime, call_id: UUID) -> None:
    """Cancel a call; a second time changes nothing. Raises `AlreadyFired` when it was placed."""
    call = await _lock(work, caller, call_id)
    if call.status == CANCELLED:
        return
    if call.next_at is None:
        raise AlreadyFired
    ended = replace(call.without_plan(), status=CANCELLED)
    await save_plan(work, ended, now, cancelled(ended))


async def follow_call(work: Work, event: CallEvent, event_time: datetime, now: datetime) -> None:
    """Apply an event of `conversations` about a placed call."""
    call = await schedules.find_any(work.conn, event.call_id, lock=True)
    if call is None or call.kind != KIND:
        return  # not planned here
    changed = after_result(call, event, event_time)
    if changed != call:
        await schedules.save_schedule(work.conn, changed, now)


async def _check_phone(users: TenantUsers, user_id: UUID) -> None:
    if await users.find(user_id, with_phone=True) is None:
        raise invalid("user_id", "has no notify_phone to be rung at; PATCH /auth/me sets it")


async def _lock(work: Work, caller: Identity, call_id: UUID) -> Schedule:
    call = await schedules.lock_schedule(work.conn, KIND, caller.tenant_id, call_id)
    if not may_see(caller, call.user_id):
        raise NotFound
    return call


async def _lock_planned(work: Work, caller: Identity, call_id: UUID) -> Schedule:
    call = await _lock(work, caller, call_id)
    if call.status == CANCELLED:
        raise WrongState("This call was cancelled.")
    if call.next_at is None:
        raise AlreadyFired
    return call
