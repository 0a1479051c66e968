"""What `docs/states.md` is held against: each row of its tables as stories that begin in a state and do one thing.

A row is known by its `from` and `by`, without what stands in brackets. A story is a way into the state, what is done
then and, where the row names no single one, the status that follows.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import product
from typing import Any
from uuid import UUID, uuid4

from scheduler.domain.kinds.trial import timer_of
from switchboard.contracts.auth import TenantCreated, TenantTrialExtended, TenantUpdated, UserUpdated
from switchboard.contracts.conversations import (
    CallCompleted,
    CallFailed,
    CallMissed,
    CallRinging,
    CampaignCompleted,
    CampaignProgress,
    CampaignStarted,
)
from switchboard.testing.app import Answer

from .world import ANNA, World

UNMADE = UUID(int=0)
PHONE = "+14155550100"


@dataclass
class Planned:
    """The schedule of one story; without an id until it is made."""

    world: World
    id: UUID = UNMADE  # in the subject of all that is said of it
    schedule: UUID = UNMADE
    path: str = ""

    def later(self, **length: float) -> str:
        return (self.world.clock.now() + timedelta(**length)).isoformat()

    async def ask(self, method: str, suffix: str = "", body: Any = None) -> Answer:
        return await self.world.call(ANNA, method, f"{self.path}/{self.id}{suffix}", body)

    async def status(self) -> str | None:
        async with self.world.database.connection() as conn:
            status: str | None = await conn.fetchval("select status from schedules where id = $1", self.schedule)
        return status

    async def said(self) -> list[str]:
        return [each.type for each in await self.world.sent() if str(self.id) in each.subject]


Act = Callable[[Planned], Awaitable[Answer | None]]
Way = tuple[Act, ...]
Story = tuple[Way, Act, str | None]
Rows = Mapping[tuple[str, str], list[Story]]


def stories(ways: list[Way], acts: list[Act], follows: str | None = None) -> list[Story]:
    return [(way, act, follows) for way, act in product(ways, acts)]


def makes(path: str, at: str, **fields: Any) -> Act:
    """A new thing, due in an hour."""

    async def act(it: Planned) -> Answer:
        answer = await it.world.call(ANNA, "POST", path, {**fields, at: it.later(hours=1)})
        assert answer.status == 201, answer.body
        it.path, it.id = path, UUID(answer.body["id"])
        it.schedule = it.id
        return answer

    return act


def asks(method: str, suffix: str = "", body: Any = None, *, at: str = "") -> Act:
    """A request about it. `at`: the field that names a time, in an hour."""

    async def act(it: Planned) -> Answer:
        return await it.ask(method, suffix, {at: it.later(hours=1)} if at else body)

    return act


async def due(it: Planned) -> None:
    await it.world.live_for(hours=2)


async def missed(it: Planned) -> None:
    await it.world.sleep_through(hours=3)


# Reminders

series = makes("/reminders", "remind_at", lead_id="l", note="", recurrence="FREQ=HOURLY")
single = makes("/reminders", "remind_at", lead_id="l", note="")
punctual = makes("/reminders", "remind_at", lead_id="l", note="", misfire="skip")
note, moved, taken_back = asks("PATCH", body={"note": "n"}), asks("PATCH", at="remind_at"), asks("DELETE")
snooze = asks("POST", "/snooze", at="until")

REMINDER: Rows = {
    ("–", "POST"): stories([()], [single, series], "scheduled"),
    ("scheduled", "due, more to come"): stories([(series,)], [due]),
    ("scheduled", "due, nothing more to come"): stories([(single,)], [due]),
    ("scheduled", "missed past its grace, misfire: skip, nothing more to come"): stories([(punctual,)], [missed]),
    ("scheduled", "PATCH; snooze"): stories([(single,), (series,)], [note, moved, snooze]),
    ("scheduled", "DELETE"): stories([(single,), (series,)], [taken_back]),
    ("cancelled", "DELETE"): stories([(single, taken_back), (series, taken_back)], [taken_back]),
    ("cancelled", "PATCH, snooze"): stories([(single, taken_back)], [note, moved, snooze]),
    ("fired, skipped", "snooze, PATCH with a new remind_at"): stories(
        [(single, due), (punctual, missed)], [snooze, moved]
    ),
    ("fired, skipped", "DELETE, any other PATCH"): stories([(single, due), (punctual, missed)], [taken_back, note]),
}

# Calls


def call(**fields: Any) -> Act:
    make = makes("/calls", "scheduled_at", contact_phone=PHONE, note="", **fields)

    async def act(it: Planned) -> Answer | None:
        user: dict[str, Any] = {"email": "a@b.example", "name": "A", "role": "agent", "disabled": False}
        await it.world.hear(UserUpdated(user_id=ANNA.user_id, notify_phone="+14155550199", **user))
        return await make(it)

    return act


def call_told(event: type[Any], *, before: bool = False) -> Act:
    """`before`: made before the last one, and arriving after it."""

    async def act(it: Planned) -> None:
        it.world.clock.set(it.world.clock.now() + timedelta(seconds=2))
        status = event.type.split(".")[1]
        fact = event(
            call_id=it.id,
            user_id=ANNA.user_id,
            contact_phone=PHONE,
            scheduled_at=it.world.clock.now(),
            status=status,
        )
        await it.world.hear(fact, time=it.world.clock.now() - timedelta(seconds=3 if before else 0))

    return act


planned, placed = (call(),), (call(), due)
rings, completed, unanswered, failed = map(call_told, (CallRinging, CallCompleted, CallMissed, CallFailed))
ringing, cancelled = (*placed, rings), (call(), taken_back)
ended: list[Way] = [(*placed, end) for end in (completed, unanswered, failed)]
note_of_call = asks("PATCH", body={"note": "n"})

CALL: Rows = {
    ("–", "POST"): stories([()], [call()]),
    ("scheduled, not placed", "PATCH"): stories([planned], [note_of_call, asks("PATCH", at="scheduled_at")]),
    ("scheduled, not placed", "DELETE; missed past its grace with misfire: skip"): [
        (planned, taken_back, None),
        ((call(misfire="skip"),), missed, None),
    ],
    ("scheduled, not placed", "due"): stories([planned], [due]),
    ("placed, ringing", "PATCH, DELETE"): stories([placed, ringing], [note_of_call, taken_back]),
    ("cancelled", "DELETE"): stories([cancelled], [taken_back]),
    ("cancelled", "PATCH"): stories([cancelled], [note_of_call]),
    ("placed", "call.ringing"): stories([placed], [rings]),
    ("placed, ringing", "call.completed, call.missed, call.failed"): [
        *stories([placed, ringing], [completed], "completed"),
        *stories([placed, ringing], [unanswered], "missed"),
        *stories([placed, ringing], [failed], "failed"),
    ],
    ("completed, missed, failed", "call.ringing, late"): stories(ended, [call_told(CallRinging, before=True), rings]),
    ("completed, missed, failed", "another end"): [
        *stories([ended[0]], [unanswered], "missed"),
        *stories([ended[1]], [completed], "completed"),
        *stories([ended[2]], [completed], "completed"),
        *stories([ended[0]], [call_told(CallMissed, before=True)], "completed"),
    ],
    ("cancelled", "any of these"): stories([cancelled], [rings, completed, unanswered, failed]),
}

# Campaigns


def campaign_told(event: type[Any]) -> Act:
    async def act(it: Planned) -> None:
        it.world.clock.set(it.world.clock.now() + timedelta(seconds=1))
        await it.world.hear(event(campaign_id=it.id, status="running"))

    return act


async def perishable(it: Planned) -> Answer | None:
    fields = {"name": "S", "template": "Hi", "audience": {"phones": [PHONE]}, "not_after": it.later(hours=2)}
    return await makes("/campaigns", "send_at", **fields)(it)


campaign = makes("/campaigns", "send_at", name="S", template="Hi", audience={"phones": [PHONE]})
pause, resume, cancel = (asks("POST", f"/{step}") for step in ("pause", "resume", "cancel"))
begins, goes_on, completes = map(campaign_told, (CampaignStarted, CampaignProgress, CampaignCompleted))
waiting, running = (campaign,), (campaign, due)
held, paused = (*waiting, pause), (*running, pause)
done, called_off, broken_off = (*running, completes), (*waiting, cancel), (*running, cancel)

CAMPAIGN: Rows = {
    ("–", "POST"): stories([()], [campaign]),
    ("scheduled", "due"): stories([waiting], [due]),
    ("scheduled", "due, after not_after"): stories([(perishable,)], [missed]),
    ("scheduled", "pause"): stories([waiting], [pause]),
    ("paused, not begun", "resume"): stories([held, (*held, missed)], [resume]),
    ("running", "pause"): stories([running], [pause]),
    ("paused", "resume"): stories([paused], [resume]),
    ("scheduled; paused, not begun", "cancel"): stories([waiting, held], [cancel]),
    ("running, paused", "cancel"): stories([running, paused], [cancel]),
    ("any other", "pause, resume, cancel"): [
        *stories([held, paused, done, called_off, broken_off], [pause]),
        *stories([waiting, running, done, called_off, broken_off], [resume]),
        *stories([done, called_off, broken_off], [cancel]),
    ],
    ("running, paused", "campaign.completed"): stories([running, paused], [completes]),
    ("any", "campaign.started, campaign.progress"): stories(
        [waiting, held, running, paused, done, called_off, broken_off], [begins, goes_on]
    ),
    ("cancelled", "campaign.completed"): stories([called_off, broken_off], [completes]),
}

# Trials


def tenant_told(event: type[Any], *, hours: float | None, status: str = "trial", before: bool = False) -> Act:
    """`before`: made before the last one, and arriving after it."""

    async def act(it: Planned) -> None:
        if not it.path:
            it.id, it.path = uuid4(), "/tenant"
            it.schedule = timer_of(it.id)
        now = it.world.clock.now() + timedelta(seconds=2)
        it.world.clock.set(now)
        ends_at = None if hours is None else now + timedelta(hours=hours)
        fact = event(tenant_id=it.id, name="Acme", status=status, trial_ends_at=ends_at)
        await it.world.hear(fact, tenant_id=it.id, time=now - timedelta(hours=9 if before else 0))

    return act


on_trial, extended = tenant_told(TenantCreated, hours=1), tenant_told(TenantTrialExtended, hours=1.5)
pays = tenant_told(TenantUpdated, hours=None, status="active")
old = [tenant_told(TenantUpdated, hours=None, status="active", before=True)]
old.append(tenant_told(TenantTrialExtended, hours=5, before=True))

TRIAL: Rows = {
    ("–", "tenant.created with a trial"): stories([()], [on_trial]),
    ("scheduled, over", "tenant.* with another trial_ends_at"): stories(
        [(on_trial,), (on_trial, due), (on_trial, pays)], [extended]
    ),
    ("scheduled", "tenant.* without a running trial"): stories([(on_trial,)], [pays]),
    ("scheduled", "due"): stories([(on_trial,)], [due]),
    ("any", "an event older than the one known"): stories([(on_trial,), (on_trial, due)], old),
}
