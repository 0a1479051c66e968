"""Cache invalidation of sessions: entries of the gateways' session cache that a change has made out of date."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

PENDING = "cache_invalidations"
"""The NOTIFY channel that wakes the worker for invalidations that are still to be written."""


@dataclass(frozen=True, slots=True)
class SessionInvalidation:
    """One entry of the cache that must not be used any more.

    `dead`: the session has ended. `stale`: auth has to be asked again.
    """

    key: str
    state: Literal["dead", "stale"]


def invalidate_ended_session(token_hash: bytes) -> SessionInvalidation:
    return SessionInvalidation(f"session:{token_hash.hex()}", "dead")


def invalidate_changed_session(token_hash: bytes) -> SessionInvalidation:
    return SessionInvalidation(f"session:{token_hash.hex()}", "stale")


def invalidate_tenant(tenant_id: UUID) -> SessionInvalidation:
    return SessionInvalidation(f"tenant:{tenant_id}", "stale")
