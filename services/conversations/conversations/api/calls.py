"""The history of calls. The scheduler owns the calls themselves."""

from dataclasses import dataclass
from datetime import datetime

import asyncpg
from pydantic import BaseModel

from conversations.store.calls import list_call_events
from switchboard.http import ReadRoute, Request, Route
from switchboard.http.identity import Role
from switchboard.runtime.refusals import NotFound


class CallEventAnswer(BaseModel):
    """One event of a call: `requested`, then its statuses."""

    position: int
    kind: str
    detail: str | None
    at: datetime


class CallEventsAnswer(BaseModel):
    """All events of a call, oldest first."""

    items: list[CallEventAnswer]
    next_cursor: None = None


@dataclass(frozen=True)
class Calls:
    """Calls. Agents see the history of their own calls, admins of all calls of the tenant."""

    def routes(self) -> list[Route]:
        return [ReadRoute("GET", "/api/v1/calls/{id}/events", self.list_events, answer=CallEventsAnswer)]

    async def list_events(self, request: Request, conn: asyncpg.Connection) -> CallEventsAnswer:
        """List the events of a call, oldest first."""
        caller = request.identity
        of_user = None if caller.role >= Role.ADMIN else caller.user_id
        found = await list_call_events(conn, caller.tenant_id, request.uuid("id"), of_user=of_user)
        if not found:
            raise NotFound("This call is unknown, or has not been placed yet.")
        return CallEventsAnswer(items=[CallEventAnswer.model_validate(entry, from_attributes=True) for entry in found])
