"""The loops that auth runs besides its HTTP server."""

from auth.adapters.session_cache import SessionCache
from auth.workers.cache_invalidation import PendingInvalidations
from auth.workers.housekeeping import Housekeeping
from switchboard.postgres.database import Database
from switchboard.runtime.background import Loop


def workers(database: Database, cache: SessionCache) -> list[Loop]:
    return [PendingInvalidations(database, cache).run, Housekeeping(database).run]
