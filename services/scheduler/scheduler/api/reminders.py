"""Reminders over HTTP: users have their own; admins see and plan those of all users of the tenant."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg
from pydantic import BaseModel

from scheduler.actions import reminders
from scheduler.actions.planning import may_see
from scheduler.actions.reminders import ReminderPlan
from scheduler.api.owned import OwnedQuery, answer_of, list_page, listed_user
from scheduler.domain.clock import Clock
from scheduler.domain.fields import LeadId, Note, RuleText, ZoneName
from scheduler.domain.kinds.reminder import CANCELLED, KIND
from scheduler.domain.refusals import AlreadyFired
from scheduler.domain.schedules import Misfire, Schedule
from scheduler.store import schedules
from switchboard.contracts.scheduler import ReminderStatus
from switchboard.http import Body, Moment, Page, ReadRoute, Request, Route, WriteRoute
from switchboard.messaging.outbox.unit_of_work import Work
from switchboard.replica.user_directory import UserDirectory
from switchboard.runtime.refusals import NotFound

PATH = "/api/v1/reminders"


class NewReminder(Body):
    """`recurrence`: an RFC 5545 rule in `time_zone` (default: the user's), which starts at `remind_at`.

    It may stand in a line `RRULE:…`, after a line `DTSTART…` that agrees with `remind_at`.
    """

    lead_id: LeadId
    note: Note
    remind_at: Moment
    user_id: UUID | None = None
    recurrence: RuleText | None = None
    time_zone: ZoneName | None = None
    misfire: Misfire = Misfire.FIRE_LATE


class ReminderChanges(Body):
    """Fields to change. One with the value that the reminder shows is no change.

    `recurrence: null` turns a series into a single reminder. Another rule keeps the time of day and first comes at its
    own next time. COUNT counts the whole series, with what has been, unless `remind_at` changes along with the rule.
    """

    lead_id: LeadId | None = None
    note: Note | None = None
    remind_at: Moment | None = None
    user_id: UUID | None = None
    recurrence: RuleText | None = None
    time_zone: ZoneName | None = None
    misfire: Misfire | None = None


class Snooze(Body):
    """When to remind once more."""

    until: Moment


class ReminderAnswer(BaseModel):
    """`remind_at`: the next due time or, if there is none, the last. `late`: whether the last firing was late."""

    id: UUID
    lead_id: str
    note: str
    remind_at: datetime
    user_id: UUID
    status: ReminderStatus
    recurrence: str | None
    time_zone: str
    misfire: Misfire
    snoozed_until: datetime | None
    fired_at: datetime | None
    late: bool
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, reminder: Schedule) -> "ReminderAnswer":
        rule = reminder.recurrence and reminder.recurrence.rule
        return answer_of(cls, reminder, remind_at=reminder.planned_at, recurrence=rule, snoozed_until=reminder.extra_at)


@dataclass(frozen=True)
class Reminders:
    """The routes of reminders."""

    clock: Clock
    users: UserDirectory

    def routes(self) -> list[Route]:
        fired = (AlreadyFired,)
        one = PATH + "/{id}"
        return [
            ReadRoute("GET", PATH, self.list, query=OwnedQuery, answer=Page[ReminderAnswer]),
            WriteRoute("POST", PATH, self.create, body=NewReminder, answer=ReminderAnswer, creates=True),
            ReadRoute("GET", one, self.get, answer=ReminderAnswer),
            WriteRoute("PATCH", one, self.change, body=ReminderChanges, answer=ReminderAnswer, errors=fired),
            WriteRoute("DELETE", one, self.cancel, errors=fired),
            WriteRoute("POST", one + "/snooze", self.snooze, body=Snooze, answer=ReminderAnswer),
        ]

    async def list(self, request: Request, conn: asyncpg.Connection) -> Page[ReminderAnswer]:
        """List reminders by due time."""
        user_id = listed_user(request.identity, request.query.user_id, "reminders")
        return await list_page(conn, request, KIND, ReminderAnswer.of, user_id=user_id, without=[CANCELLED])

    async def get(self, request: Request, conn: asyncpg.Connection) -> ReminderAnswer:
        """Get a reminder."""
        reminder = await schedules.get_schedule(conn, KIND, request.identity.tenant_id, request.uuid("id"))
        if reminder.status == CANCELLED or not may_see(request.identity, reminder.user_id):
            raise NotFound
        return ReminderAnswer.of(reminder)

    async def create(self, request: Request, work: Work) -> ReminderAnswer:
        """Create a reminder."""
        plan = ReminderPlan(**{name: getattr(request.body, name) for name in NewReminder.model_fields})
        users = self.users.of_caller(request, work.conn)
        created = await reminders.create_reminder(work, request.identity, users, self.clock.now(), plan)
        return ReminderAnswer.of(created)

    async def change(self, request: Request, work: Work) -> ReminderAnswer:
        """Change a reminder. A new time, recurrence or time zone replaces the plan."""
        changes = {name: getattr(request.body, name) for name in request.body.model_fields_set}
        users = self.users.of_caller(request, work.conn)
        changed = await reminders.change_reminder(
            work, request.identity, users, self.clock.now(), request.uuid("id"), changes
        )
        return ReminderAnswer.of(changed)

    async def cancel(self, request: Request, work: Work) -> None:
        """Cancel a reminder."""
        await reminders.cancel_reminder(work, request.identity, self.clock.now(), request.uuid("id"))

    async def snooze(self, request: Request, work: Work) -> ReminderAnswer:
        """Remind once more at a later time. A series keeps its plan."""
        snoozed = await reminders.snooze_reminder(
            work, request.identity, self.clock.now(), request.uuid("id"), request.body.until
        )
        return ReminderAnswer.of(snoozed)
