"""A call's history. Agents see their own calls', admins the tenant's. Calls themselves are the scheduler's."""

from __future__ import annotations

from datetime import datetime

import asyncpg
from pydantic import BaseModel

from conversations.store.calls import list_call_events
from switchboard.http import ReadRoute, Request, Route
from switchboard.http.identity import Role
from switchboard.runtime.refusals import NotFound


class CallEventAnswer(BaseModel):
    """One thing that happened: `requested`, then its statuses."""

    position: int
    kind: str
    detail: str | None
    at: datetime


class CallEvents(BaseModel):
    """Oldest first."""

    items: list[CallEventAnswer]
    next_cursor: None = None


async def list_events(request: Request, conn: asyncpg.Connection) -> CallEvents:
    """The call's history, once it was placed."""
    mine = request.identity
    of_user = None if mine.role >= Role.ADMIN else mine.user_id
    found = await list_call_events(conn, mine.tenant_id, request.uuid("id"), of_user=of_user)
    if not found:
        raise NotFound("This call is unknown, or was not placed yet.")
    return CallEvents(items=[CallEventAnswer.model_validate(entry, from_attributes=True) for entry in found])


def routes() -> list[Route]:
    return [ReadRoute("GET", "/api/v1/calls/{id}/events", list_events, answer=CallEvents)]
