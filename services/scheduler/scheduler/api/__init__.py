"""The scheduler's HTTP interface: a table of routes for each kind."""

from __future__ import annotations

from scheduler.api.reminders import reminder_routes
from scheduler.clock import Clock
from switchboard.runtime.routing import Route


def routes(clock: Clock) -> list[Route]:
    """Every route of the service."""
    return [*reminder_routes(clock)]
