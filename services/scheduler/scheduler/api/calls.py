"""Calls over HTTP: mine; an admin sees and plans the tenant's."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import asyncpg
from pydantic import BaseModel

from scheduler.actions import calls
from scheduler.actions.planning import sees
from scheduler.api.fields import Note, OwnedQuery, Phone
from scheduler.clock import Clock
from scheduler.colleagues import Colleagues
from scheduler.domain import Misfire, Schedule
from scheduler.kinds.call import KIND
from scheduler.phones import to_e164
from scheduler.refusals import AlreadyFired, WrongState
from scheduler.store import schedules
from switchboard.contracts.conversations import CallStatus
from switchboard.messaging.work import Work
from switchboard.runtime.inputs import Body, Moment
from switchboard.runtime.paging import Page, decode_cursor, page
from switchboard.runtime.refusals import Forbidden, NotFound
from switchboard.runtime.routing import Call, Route, reads, writes
from switchboard.runtime.service_client import ServiceClient

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


def call_routes(clock: Clock, region: str | None, auth: ServiceClient) -> list[Route]:
    """The table. `region`: where a phone without a country is at home."""

    async def create(call: Call, work: Work) -> CallAnswer:
        """Plan a call."""
        fields = {name: getattr(call.body, name) for name in NewCall.model_fields}
        fields["contact_phone"] = to_e164(call.body.contact_phone, region, "contact_phone")
        colleagues = Colleagues.of_caller(call, work, auth)
        return CallAnswer.of(await calls.plan_call(work, call.identity, colleagues, clock.now(), **fields))

    async def change(call: Call, work: Work) -> CallAnswer:
        """Change a call that is still to come."""
        changes = {name: getattr(call.body, name) for name in call.body.model_fields_set}
        if call.body.contact_phone is not None:
            changes["contact_phone"] = to_e164(call.body.contact_phone, region, "contact_phone")
        colleagues = Colleagues.of_caller(call, work, auth)
        return CallAnswer.of(
            await calls.change_call(work, call.identity, colleagues, clock.now(), call.uuid("id"), changes)
        )

    async def cancel(call: Call, work: Work) -> None:
        """Take a call back that is still to come."""
        await calls.cancel_call(work, call.identity, clock.now(), call.uuid("id"))

    wrong = (AlreadyFired, WrongState)
    return [
        reads(PATH, list_calls, query=OwnedQuery, answer=Page[CallAnswer]),
        writes("POST", PATH, create, body=NewCall, answer=CallAnswer, creates=True),
        reads(PATH + "/{id}", get_call, answer=CallAnswer),
        writes("PATCH", PATH + "/{id}", change, body=CallChanges, answer=CallAnswer, errors=wrong),
        writes("DELETE", PATH + "/{id}", cancel, errors=(AlreadyFired,)),
    ]


async def list_calls(call: Call, conn: asyncpg.Connection) -> Page[CallAnswer]:
    """Calls, by their time."""
    user_id = call.query.user_id or call.identity.user_id
    if not sees(call.identity, user_id):
        raise Forbidden("only an admin sees others' calls")
    after = decode_cursor(call.query.cursor, datetime, UUID) if call.query.cursor else None
    found = await schedules.list_owned(
        conn, KIND, call.identity.tenant_id, user_id=user_id, after=after, limit=call.query.limit + 1
    )
    shown, cursor = page(found, call.query.limit, lambda each: (each.planned_at, each.id))
    return Page(items=[CallAnswer.of(each) for each in shown], next_cursor=cursor)


async def get_call(call: Call, conn: asyncpg.Connection) -> CallAnswer:
    """One call."""
    found = await schedules.get_schedule(conn, KIND, call.identity.tenant_id, call.uuid("id"))
    if not sees(call.identity, found.user_id):
        raise NotFound
    return CallAnswer.of(found)
