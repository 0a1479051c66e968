"""Marks on the keys of the gateways' cache: what must not be believed any more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Mark:
    """One key of the cache that must not be believed any more."""

    key: str
    state: Literal["dead", "stale"]


def dead_session(token_hash: bytes) -> Mark:
    return Mark(f"session:{token_hash.hex()}", "dead")


def stale_session(token_hash: bytes) -> Mark:
    return Mark(f"session:{token_hash.hex()}", "stale")


def stale_tenant(tenant_id: UUID) -> Mark:
    return Mark(f"tenant:{tenant_id}", "stale")
