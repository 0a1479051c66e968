"""Calls over HTTP: users have their own; admins see and plan those of all users of the tenant."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from pydantic import BaseModel

from scheduler.actions import calls
from scheduler.actions.calls import CallPlan
from scheduler.actions.planning import may_see
from scheduler.api.owned import OwnedQuery, answer_of, list_page, listed_user
from scheduler.domain.clock import Clock
from scheduler.domain.fields import Note, Phone
from scheduler.domain.kinds.call import KIND
from scheduler.domain.refusals import AlreadyFired, WrongState
from scheduler.domain.schedules import Misfire, Schedule
from scheduler.store import schedules
from switchboard.contracts.conversations import CallStatus
from switchboard.http import Body, Moment, Page, ReadRoute, Request, Route, WriteRoute
from switchboard.messaging.outbox.unit_of_work import Work
from switchboard.replica.user_directory import UserDirectory
from switchboard.runtime.phones import requested_phone
from switchboard.runtime.refusals import NotFound

PATH = "/api/v1/calls"


class NewCall(Body):
    """At `scheduled_at` the user's `notify_phone` rings and is connected with the contact's phone."""

    contact_phone: Phone
    scheduled_at: Moment
    note: Note = ""
    user_id: UUID | None = None
    misfire: Misfire = Misfire.FIRE_LATE


class CallChanges(Body):
    """Fields to change."""

    contact_phone: Phone | None = None
    scheduled_at: Moment | None = None
    note: Note | None = None
    user_id: UUID | None = None
    misfire: Misfire | None = None


class CallAnswer(BaseModel):
    """A planned call and its result. `late`: whether it was placed late."""

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
    def of(cls, call: Schedule) -> "CallAnswer":
        return answer_of(cls, call, scheduled_at=call.planned_at)


@dataclass(frozen=True)
class PlannedCalls:
    """The routes of planned calls. `region`: the country of phone numbers without a country code."""

    clock: Clock
    users: UserDirectory
    region: str | None

    def routes(self) -> list[Route]:
        changed = (AlreadyFired, WrongState)
        one = PATH + "/{id}"
        return [
            ReadRoute("GET", PATH, self.list, query=OwnedQuery, answer=Page[CallAnswer]),
            WriteRoute("POST", PATH, self.create, body=NewCall, answer=CallAnswer, creates=True),
            ReadRoute("GET", one, self.get, answer=CallAnswer),
            WriteRoute("PATCH", one, self.change, body=CallChanges, answer=CallAnswer, errors=changed),
            WriteRoute("DELETE", one, self.cancel, errors=(AlreadyFired,)),
        ]

    async def list(self, request: Request, conn: asyncpg.Connection) -> Page[CallAnswer]:
        """List planned calls by time."""
        user_id = listed_user(request.identity, request.query.user_id, "calls")
        return await list_page(conn, request, KIND, CallAnswer.of, user_id=user_id)

    async def get(self, request: Request, conn: asyncpg.Connection) -> CallAnswer:
        """Get a planned call."""
        found = await schedules.get_schedule(conn, KIND, request.identity.tenant_id, request.uuid("id"))
        if not may_see(request.identity, found.user_id):
            raise NotFound
        return CallAnswer.of(found)

    async def create(self, request: Request, work: Work) -> CallAnswer:
        """Plan a call."""
        plan = CallPlan(**self._fields(request, NewCall.model_fields))
        users = self.users.of_caller(request, work.conn)
        return CallAnswer.of(await calls.plan_call(work, request.identity, users, self.clock.now(), plan))

    async def change(self, request: Request, work: Work) -> CallAnswer:
        """Change a call that has not been placed yet."""
        changes = self._fields(request, request.body.model_fields_set)
        users = self.users.of_caller(request, work.conn)
        changed = await calls.change_call(work, request.identity, users, self.clock.now(), request.uuid("id"), changes)
        return CallAnswer.of(changed)

    async def cancel(self, request: Request, work: Work) -> None:
        """Cancel a call that has not been placed yet."""
        await calls.cancel_call(work, request.identity, self.clock.now(), request.uuid("id"))

    def _fields(self, request: Request, names: Iterable[str]) -> dict[str, Any]:
        """Fields of the body, with the phone in E.164."""
        fields = {name: getattr(request.body, name) for name in names}
        if fields.get("contact_phone") is not None:
            fields["contact_phone"] = requested_phone(fields["contact_phone"], self.region, "body", "contact_phone")
        return fields
