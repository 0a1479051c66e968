"""Campaign runs: template and audience, how far the audience is expanded, status and counts."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from switchboard.contracts.conversation_commands import CampaignRun

ADD = """
insert into campaign_runs
    (id, tenant_id, user_id, name, channel, template, audience, time_zone, not_after, quiet_hours, rate_per_second,
     status)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'running')
on conflict (id) do nothing returning id
"""
SET_STATUS = """
update campaign_runs set status = $3, revision = $4, dirty = true
where tenant_id = $1 and id = $2 and revision < $4 and status = any($5::text[])
returning id
"""
COLUMNS = """
id, tenant_id, user_id, name, channel, template, audience, time_zone, not_after, quiet_hours, rate_per_second,
status, expanded_to, expanded, counts, progress_at
"""

REOPEN = """
update campaign_runs set status = case when status = 'completed' then 'running' else status end, dirty = true
where id = $1
"""
FIND_ZONE = """
select time_zone from users where tenant_id = $1 and time_zone is not null and (id = $2 or role = 'owner')
order by id = $2 desc, id limit 1
"""


@dataclass(frozen=True)
class Run:
    """The run of a campaign. `expanded_to`: the position in its audience, in the format of the campaign expander."""

    id: UUID
    tenant_id: UUID
    user_id: UUID
    name: str
    channel: str
    template: str
    audience: dict[str, Any]
    time_zone: str | None
    not_after: datetime | None
    quiet_hours: dict[str, str] | None
    rate_per_second: float | None
    status: str
    expanded_to: str
    expanded: bool
    counts: dict[str, int]
    progress_at: datetime | None


async def add_run(conn: asyncpg.Connection, tenant_id: UUID, run: CampaignRun, *, channel: str) -> bool:
    """Add a run. False when it exists."""
    quiet = None if run.quiet_hours is None else run.quiet_hours.model_dump(by_alias=True)
    added = await conn.fetchval(
        ADD,
        run.campaign_id,
        tenant_id,
        run.user_id,
        run.name,
        channel,
        run.template,
        run.audience.model_dump(mode="json", exclude_none=True),
        run.time_zone,
        run.not_after,
        quiet,
        run.rate_per_second,
    )
    return added is not None


async def set_status(
    conn: asyncpg.Connection, tenant_id: UUID, run_id: UUID, status: str, *, revision: int, of: tuple[str, ...]
) -> bool:
    """Change a status that is one of `of`. False when it is another, or a later command was seen."""
    return await conn.fetchval(SET_STATUS, tenant_id, run_id, status, revision, list(of)) is not None


async def find_run(conn: asyncpg.Connection, run_id: UUID) -> Run | None:
    row = await conn.fetchrow(f"select {COLUMNS} from campaign_runs where id = $1", run_id)
    return None if row is None else Run(*row)


async def find_run_of(conn: asyncpg.Connection, tenant_id: UUID, run_id: UUID) -> Run | None:
    run = await find_run(conn, run_id)
    return run if run is not None and run.tenant_id == tenant_id else None


async def reopen(conn: asyncpg.Connection, run_id: UUID) -> None:
    """Reopen a run with a delivery that is pending again: a completed run continues, a cancelled one skips it."""
    await conn.execute(REOPEN, run_id)


async def find_zone(conn: asyncpg.Connection, run: Run) -> str:
    """The campaign's own time zone, else that of its creator or of the tenant's owner, else UTC."""
    zone: str | None = run.time_zone or await conn.fetchval(FIND_ZONE, run.tenant_id, run.user_id)
    return zone or "UTC"
