"""Calls over HTTP: mine; an admin sees and plans the tenant's."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import asyncpg
from pydantic import BaseModel

from scheduler.actions import calls
from scheduler.actions.planning import sees
from scheduler.api.fields import Note, OwnedQuery, Phone
from scheduler.domain.clock import Clock
from scheduler.domain.kinds.call import KIND
from scheduler.domain.refusals import AlreadyFired, WrongState
from scheduler.domain.schedules import Misfire, Schedule
from scheduler.store import schedules
from switchboard.contracts.conversations import CallStatus
from switchboard.http.paging import Page, decode_cursor, page
from switchboard.http.parsing import Body, Moment
from switchboard.http.routing import ReadRoute, Request, Route, WriteRoute
from switchboard.messaging.outbox.unit_of_work import Work
from switchboard.replica.user_directory import UserDirectory
from switchboard.runtime.phones import requested_phone
from switchboard.runtime.refusals import Forbidden, NotFound

PATH = "/api/v1/calls"


class NewCall(Body):
    """At `scheduled_at` the user's `notify_phone` rings and is connected with the contact's phone."""

    contact_phone: Phone
    scheduled_at: Moment
    note: Note = ""
    user_id: UUID | None = None
    misfire: Misfire = Misfire.FIRE_LATE


class CallChanges(Body):
    contact_phone: Phone | None = None
    scheduled_at: Moment | None = None
    note: Note | None = None
    user_id: UUID | None = None
    misfire: Misfire | None = None


class CallAnswer(BaseModel):
    id: UUID
    contact_phone: str
    scheduled_at: datetime
    note: str
    user_id: UUID
    status: CallStatus
    misfire: Misfire
    fired_at: datetime | None
    late: bool
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, call: Schedule) -> CallAnswer:
        return cls.model_validate(
            {
                **{name: getattr(call, name) for name in cls.model_fields.keys() & vars(call).keys()},
                "contact_phone": call.payload["contact_phone"],
                "note": call.payload["note"],
                "scheduled_at": call.planned_at,
            }
        )


def call_routes(clock: Clock, region: str | None, directory: UserDirectory) -> list[Route]:
    """The table. `region`: where a phone without a country is at home."""

    async def create(request: Request, work: Work) -> CallAnswer:
        """Plan a call."""
        fields = {name: getattr(request.body, name) for name in NewCall.model_fields}
        fields["contact_phone"] = requested_phone(request.body.contact_phone, region, "body", "contact_phone")
        users = directory.of_caller(request, work.conn)
        return CallAnswer.of(await calls.plan_call(work, request.identity, users, clock.now(), **fields))

    async def change(request: Request, work: Work) -> CallAnswer:
        """Change a call that is still to come."""
        changes = {name: getattr(request.body, name) for name in request.body.model_fields_set}
        if request.body.contact_phone is not None:
            changes["contact_phone"] = requested_phone(request.body.contact_phone, region, "body", "contact_phone")
        users = directory.of_caller(request, work.conn)
        return CallAnswer.of(
            await calls.change_call(work, request.identity, users, clock.now(), request.uuid("id"), changes)
        )

    async def cancel(request: Request, work: Work) -> None:
        """Take a call back that is still to come."""
        await calls.cancel_call(work, request.identity, clock.now(), request.uuid("id"))

    wrong = (AlreadyFired, WrongState)
    return [
        ReadRoute("GET", PATH, list_calls, query=OwnedQuery, answer=Page[CallAnswer]),
        WriteRoute("POST", PATH, create, body=NewCall, answer=CallAnswer, creates=True),
        ReadRoute("GET", PATH + "/{id}", get_call, answer=CallAnswer),
        WriteRoute("PATCH", PATH + "/{id}", change, body=CallChanges, answer=CallAnswer, errors=wrong),
        WriteRoute("DELETE", PATH + "/{id}", cancel, errors=(AlreadyFired,)),
    ]


async def list_calls(request: Request, conn: asyncpg.Connection) -> Page[CallAnswer]:
    """Calls, by their time."""
    user_id = request.query.user_id or request.identity.user_id
    if not sees(request.identity, user_id):
        raise Forbidden("only an admin sees others' calls")
    after = decode_cursor(request.query.cursor, datetime, UUID) if request.query.cursor else None
    found = await schedules.list_owned(
        conn, KIND, request.identity.tenant_id, user_id=user_id, after=after, limit=request.query.limit + 1
    )
    shown, cursor = page(found, request.query.limit, lambda each: (each.planned_at, each.id))
    return Page(items=[CallAnswer.of(each) for each in shown], next_cursor=cursor)


async def get_call(request: Request, conn: asyncpg.Connection) -> CallAnswer:
    """One call."""
    found = await schedules.get_schedule(conn, KIND, request.identity.tenant_id, request.uuid("id"))
    if not sees(request.identity, found.user_id):
        raise NotFound
    return CallAnswer.of(found)
