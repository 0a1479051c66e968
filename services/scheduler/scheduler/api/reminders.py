"""Reminders over HTTP: mine; an admin sees and plans the tenant's."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import asyncpg
from pydantic import BaseModel

from scheduler.actions import reminders
from scheduler.actions.planning import sees
from scheduler.api.fields import LeadId, Note, OwnedQuery, Rule, ZoneName
from scheduler.domain.clock import Clock
from scheduler.domain.kinds.reminder import CANCELLED, KIND
from scheduler.domain.refusals import AlreadyFired
from scheduler.domain.schedules import Misfire, Schedule
from scheduler.store import schedules
from switchboard.contracts.scheduler import ReminderStatus
from switchboard.http.paging import Page, decode_cursor, page
from switchboard.http.parsing import Body, Moment
from switchboard.http.routing import ReadRoute, Request, Route, WriteRoute
from switchboard.messaging.outbox.unit_of_work import Work
from switchboard.replica.user_directory import UserDirectory
from switchboard.runtime.refusals import Forbidden, NotFound

PATH = "/api/v1/reminders"


class NewReminder(Body):
    """`recurrence`: an RFC 5545 rule in `time_zone`, by default the user's own; it begins at `remind_at`."""

    lead_id: LeadId
    note: Note
    remind_at: Moment
    user_id: UUID | None = None
    recurrence: Rule | None = None
    time_zone: ZoneName | None = None
    misfire: Misfire = Misfire.FIRE_LATE


class ReminderChanges(Body):
    """What is to be changed. `recurrence: null` makes a single reminder of a series."""

    lead_id: LeadId | None = None
    note: Note | None = None
    remind_at: Moment | None = None
    user_id: UUID | None = None
    recurrence: Rule | None = None
    time_zone: ZoneName | None = None
    misfire: Misfire | None = None


class Snooze(Body):
    until: Moment


class ReminderAnswer(BaseModel):
    """`remind_at`: the next time it is due, or the last one when there is none.

    `late`: it last fired late.
    """

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
    def of(cls, reminder: Schedule) -> ReminderAnswer:
        return cls.model_validate(
            {
                **reminder.payload,
                "id": reminder.id,
                "remind_at": reminder.planned_at,
                "user_id": reminder.user_id,
                "status": reminder.status,
                "recurrence": reminder.recurrence and reminder.recurrence.rule,
                "misfire": reminder.misfire,
                "snoozed_until": reminder.extra_at,
                "fired_at": reminder.fired_at,
                "late": reminder.late,
                "created_at": reminder.created_at,
                "updated_at": reminder.updated_at,
            }
        )


def reminder_routes(clock: Clock, directory: UserDirectory) -> list[Route]:
    """The table, and what it needs of the clock."""

    async def create(request: Request, work: Work) -> ReminderAnswer:
        """Plan a reminder."""
        fields = {name: getattr(request.body, name) for name in NewReminder.model_fields}
        users = directory.of_caller(request, work.conn)
        return ReminderAnswer.of(await reminders.create_reminder(work, request.identity, users, clock.now(), **fields))

    async def change(request: Request, work: Work) -> ReminderAnswer:
        """Change a reminder; a new time or series plans it anew."""
        changes = {name: getattr(request.body, name) for name in request.body.model_fields_set}
        users = directory.of_caller(request, work.conn)
        return ReminderAnswer.of(
            await reminders.change_reminder(work, request.identity, users, clock.now(), request.uuid("id"), changes)
        )

    async def snooze(request: Request, work: Work) -> ReminderAnswer:
        """Remind once more; a series goes on as planned."""
        return ReminderAnswer.of(
            await reminders.snooze_reminder(work, request.identity, clock.now(), request.uuid("id"), request.body.until)
        )

    async def drop(request: Request, work: Work) -> None:
        """Take a reminder back."""
        await reminders.cancel_reminder(work, request.identity, clock.now(), request.uuid("id"))

    return [
        ReadRoute("GET", PATH, list_reminders, query=OwnedQuery, answer=Page[ReminderAnswer]),
        WriteRoute("POST", PATH, create, body=NewReminder, answer=ReminderAnswer, creates=True),
        ReadRoute("GET", PATH + "/{id}", get_reminder, answer=ReminderAnswer),
        WriteRoute(
            "PATCH",
            PATH + "/{id}",
            change,
            body=ReminderChanges,
            answer=ReminderAnswer,
            errors=(AlreadyFired,),
        ),
        WriteRoute("DELETE", PATH + "/{id}", drop, errors=(AlreadyFired,)),
        WriteRoute("POST", PATH + "/{id}/snooze", snooze, body=Snooze, answer=ReminderAnswer),
    ]


async def list_reminders(request: Request, conn: asyncpg.Connection) -> Page[ReminderAnswer]:
    """Reminders, by the time they are due."""
    user_id = request.query.user_id or request.identity.user_id
    if not sees(request.identity, user_id):
        raise Forbidden("only an admin sees others' reminders")
    after = decode_cursor(request.query.cursor, datetime, UUID) if request.query.cursor else None
    found = await schedules.list_owned(
        conn,
        KIND,
        request.identity.tenant_id,
        user_id=user_id,
        without=[CANCELLED],
        after=after,
        limit=request.query.limit + 1,
    )
    shown, cursor = page(found, request.query.limit, lambda each: (each.planned_at, each.id))
    return Page(items=[ReminderAnswer.of(each) for each in shown], next_cursor=cursor)


async def get_reminder(request: Request, conn: asyncpg.Connection) -> ReminderAnswer:
    """One reminder."""
    reminder = await schedules.get_schedule(conn, KIND, request.identity.tenant_id, request.uuid("id"))
    if reminder.status == CANCELLED or not sees(request.identity, reminder.user_id):
        raise NotFound
    return ReminderAnswer.of(reminder)
