"""Lists of one user's schedules: the caller's own or, for admins, another user's."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
from pydantic import BaseModel

from scheduler.actions.planning import may_see
from scheduler.domain.schedules import Schedule
from scheduler.store import schedules
from switchboard.http import Page, PageQuery, Request, decode_cursor, page
from switchboard.http.identity import Identity
from switchboard.runtime.refusals import Forbidden

A = TypeVar("A", bound=BaseModel)


def answer_of(answer: type[A], schedule: Schedule, **others: Any) -> A:
    """Make an answer of the schedule's payload, its attributes with the names of fields, and `others`."""
    kept = {name: getattr(schedule, name) for name in answer.model_fields.keys() & vars(schedule).keys()}
    return answer.model_validate({**schedule.payload, **kept, **others})


class OwnedQuery(PageQuery):
    """The query of a list. `user_id`: for admins, the user to list."""

    user_id: UUID | None = None


def listed_user(caller: Identity, user_id: UUID | None, schedules_of: str) -> UUID:
    """The user to list schedules of. Raises `Forbidden`; `schedules_of` ("calls") is named in its detail."""
    wanted = user_id or caller.user_id
    if not may_see(caller, wanted):
        raise Forbidden(f"only an admin sees others' {schedules_of}")
    return wanted


async def list_page(
    conn: asyncpg.Connection,
    request: Request,
    kind: str,
    answer: Callable[[Schedule], A],
    *,
    user_id: UUID | None = None,
    without: Sequence[str] = (),
) -> Page[A]:
    """A page of the tenant's schedules of a kind, by planned time. `user_id`: only this user's."""
    query: PageQuery = request.query
    after = decode_cursor(query.cursor, datetime, UUID) if query.cursor else None
    found = await schedules.list_owned(
        conn,
        kind,
        request.identity.tenant_id,
        user_id=user_id,
        without=without,
        after=after,
        limit=query.limit + 1,
    )
    shown, cursor = page(found, query.limit, lambda each: (each.planned_at, each.id))
    return Page(items=[answer(each) for each in shown], next_cursor=cursor)
