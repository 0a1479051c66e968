"""Housekeeping: deletes sessions a week after they expired."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from auth.store import sessions
from switchboard.postgres.database import Database
from switchboard.runtime.background import Stop, repeat

PERIOD = 3600.0  # seconds
RETENTION = timedelta(days=7)


@dataclass(frozen=True)
class Housekeeping:
    """Deletes old sessions each hour."""

    database: Database

    async def run(self, stop: Stop) -> None:
        await repeat(self._delete_old_sessions, every=PERIOD)(stop)

    async def _delete_old_sessions(self) -> None:
        async with self.database.connection() as conn:
            await sessions.drop_expired(conn, datetime.now(UTC) - RETENTION)
