"""What auth throws away."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from auth.store import accounts as store
from switchboard.postgres.database import Database
from switchboard.runtime.background import Loop, repeat

EACH = 3600.0  # seconds
KEPT = timedelta(days=7)


def forgetting_sessions(database: Database) -> Loop:
    """The loop that forgets sessions a week after they expired."""

    async def forget_old_sessions() -> None:
        async with database.connection() as conn:
            await store.drop_old_sessions(conn, datetime.now(UTC) - KEPT)

    return repeat(forget_old_sessions, every=EACH)
