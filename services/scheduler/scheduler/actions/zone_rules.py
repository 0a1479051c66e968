"""Time zone rules that changed: plan the next times of series again, by the edition in use."""

import structlog

from scheduler.actions.planning import SCHEDULES
from scheduler.store import schedules
from switchboard.postgres.database import Database
from switchboard.runtime.time_slice import TimeSlice
from switchboard.runtime.time_zones import TIME_ZONE_RULES

BATCH = 200
PLAN_AGAIN_SECONDS = 300.0  # instances of the release before may still plan by an earlier edition

log = structlog.get_logger(__name__)


async def plan_by_current_rules(database: Database) -> int:
    """Plan every series again whose next time comes from an earlier edition of the zone rules. Returns how many.

    The series keep their local times: their instants change. An occurrence that is due meanwhile is planned again
    before it fires.
    """
    planned = 0
    while found := await _plan_batch(database):
        planned += found
        database.notify(SCHEDULES)
    if planned:
        log.info("series_planned_again", series=planned, time_zone_rules=TIME_ZONE_RULES)
    return planned


async def _plan_batch(database: Database) -> int:
    share = TimeSlice()
    async with database.connection() as conn, conn.transaction():
        found = await schedules.lock_planned_earlier(conn, TIME_ZONE_RULES, BATCH)
        for each in found:
            await schedules.plan_again(conn, each, each.under_current_rules())
            await share.give_way()
    return len(found)
