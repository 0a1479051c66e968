"""Reads for the calendar: what one user sees in a range of time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from scheduler.domain.schedules import Schedule
from scheduler.store.schedules import COLUMNS, to_schedule

LEAST_ID = UUID(int=0)
_IN_RANGE = f"""
select {COLUMNS} from schedules
where tenant_id = $1 and ((user_id = $2 and kind = any($3::text[])) or kind = any($4::text[]))
  and status <> 'cancelled' and planned_at < $6 and (recurrence is not null and next_at is not null) =
"""
LIST_SINGLE = _IN_RANGE + "false and planned_at >= $5 and (planned_at, id) > ($5, $7) order by planned_at, id limit $8"
LIST_SERIES = _IN_RANGE + "true and $5::timestamptz is not null limit $7"


@dataclass(frozen=True)
class CalendarRange:
    """The part of the calendar that one user sees, between `since` and `until` (exclusive).

    `own`: kinds of which the user sees their own schedules. `tenants`: kinds of which they see all of the tenant's.
    """

    tenant_id: UUID
    user_id: UUID
    own: Sequence[str]
    tenants: Sequence[str]
    since: datetime
    until: datetime

    @property
    def values(self) -> tuple[object, ...]:
        return self.tenant_id, self.user_id, list(self.own), list(self.tenants), self.since, self.until


async def list_single(
    conn: asyncpg.Connection, span: CalendarRange, *, beyond: UUID | None, limit: int
) -> list[Schedule]:
    """Schedules with one time in the range, by (time, id). At `since` itself only ids greater than `beyond`."""
    rows = await conn.fetch(LIST_SINGLE, *span.values, beyond or LEAST_ID, limit)
    return [to_schedule(row) for row in rows]


async def list_series(conn: asyncpg.Connection, span: CalendarRange, *, limit: int) -> list[Schedule]:
    """Series that may occur in the range, in no order."""
    return [to_schedule(row) for row in await conn.fetch(LIST_SERIES, *span.values, limit)]
