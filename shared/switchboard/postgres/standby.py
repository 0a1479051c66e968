"""Durability by setting: writes are refused while the primary has no synchronous standby.

The synchronous standby confirms each commit, so that a failover loses none. `REQUIRE_SYNCHRONOUS_STANDBY` makes sure
that there is one: at the start, which is refused without it, and later by a query each second.
"""

import asyncpg
import structlog

from switchboard.runtime.unavailable import Unavailable

WATCH_SECONDS = 1.0

FIND_STANDBYS = """
select current_setting('synchronous_standby_names') <> ''
         and current_setting('synchronous_commit') not in ('off', 'local') as waits,
       count(pid) filter (where state = 'streaming' and sync_state in ('sync', 'quorum')) as synchronous,
       count(pid) filter (where state is null) as hidden
from pg_stat_replication
"""

log = structlog.get_logger(__name__)


class StandbyMissing(Unavailable):
    """The primary has no synchronous standby, so that a failover would lose what is written now."""


class StandbyRequired(Exception):
    """At the start: `REQUIRE_SYNCHRONOUS_STANDBY` is set, and the database has no synchronous standby."""


class SynchronousStandby:
    """What is known about the standby of a database. Without `required` nothing is asked, and nothing is refused."""

    def __init__(self, *, required: bool = False) -> None:
        self.required = required
        self._missing = ""

    def require(self) -> None:
        """Raise `StandbyMissing` unless there is one, or none is required."""
        if self._missing:
            raise StandbyMissing(self._missing)

    async def check(self) -> None:
        """Health check: raises `StandbyMissing`."""
        self.require()

    async def look(self, conn: asyncpg.Connection) -> None:
        """Ask the primary."""
        before, self._missing = self._missing, _reason(await conn.fetchrow(FIND_STANDBYS))
        if self._missing and not before:
            log.error("standby_missing", reason=self._missing)
        elif before and not self._missing:
            log.info("standby_back")


def _reason(found: asyncpg.Record | None) -> str:
    assert found is not None
    if not found["waits"]:
        return "commits wait for no standby: see synchronous_standby_names and synchronous_commit"
    if found["synchronous"]:
        return ""
    if found["hidden"]:
        return "standbys can't be seen: grant pg_read_all_stats to the service's role"
    return "no synchronous standby is connected to the primary"
