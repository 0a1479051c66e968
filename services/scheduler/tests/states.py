"""Paths through the states of a schedule: ways into a state and one act in it.

The modules `states_of_…` have a table for each kind: the rows of `docs/states.md` by their `from` and `by`, without
what is in brackets. A path is a way into the state, an act and, where the row has several results, the status after it.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import product
from typing import Any
from uuid import UUID

from switchboard.testing.app import Answer

from .virtual_time import ANNA, VirtualScheduler

NOT_CREATED = UUID(int=0)
PHONE = "+14155550100"


@dataclass
class Planned:
    """The schedule of one path; without an id until it is created."""

    scheduler: VirtualScheduler
    id: UUID = NOT_CREATED  # in the subject of all messages about it
    schedule: UUID = NOT_CREATED
    path: str = ""

    def later(self, **length: float) -> str:
        return (self.scheduler.clock.now() + timedelta(**length)).isoformat()

    async def ask(self, method: str, suffix: str = "", body: Any = None) -> Answer:
        return await self.scheduler.call(ANNA, method, f"{self.path}/{self.id}{suffix}", body)

    async def status(self) -> str | None:
        async with self.scheduler.database.connection() as conn:
            status: str | None = await conn.fetchval("select status from schedules where id = $1", self.schedule)
        return status

    async def published(self) -> list[str]:
        return [each.type for each in await self.scheduler.published() if str(self.id) in each.subject]


Act = Callable[[Planned], Awaitable[Answer | None]]
Way = tuple[Act, ...]
Path = tuple[Way, Act, str | None]
Rows = Mapping[tuple[str, str], list[Path]]


def paths(ways: list[Way], acts: list[Act], follows: str | None = None) -> list[Path]:
    return [(way, act, follows) for way, act in product(ways, acts)]


def creates(path: str, at: str, **fields: Any) -> Act:
    """Create a schedule that is due in an hour."""

    async def act(it: Planned) -> Answer:
        answer = await it.scheduler.call(ANNA, "POST", path, {**fields, at: it.later(hours=1)})
        assert answer.status == 201, answer.body
        it.path, it.id = path, UUID(answer.body["id"])
        it.schedule = it.id
        return answer

    return act


def requests(method: str, suffix: str = "", body: Any = None, *, at: str = "") -> Act:
    """Send a request about the schedule. `at`: the field to set to a time in an hour."""

    async def act(it: Planned) -> Answer:
        return await it.ask(method, suffix, {at: it.later(hours=1)} if at else body)

    return act


async def due(it: Planned) -> None:
    await it.scheduler.advance(hours=2)


async def missed(it: Planned) -> None:
    await it.scheduler.advance_without_leader(hours=3)
