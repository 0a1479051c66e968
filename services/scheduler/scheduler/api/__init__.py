"""The scheduler's HTTP interface: a table of routes for each kind."""

from __future__ import annotations

from scheduler.api.calendar import window_routes
from scheduler.api.calls import call_routes
from scheduler.api.campaigns import campaign_routes
from scheduler.api.reminders import reminder_routes
from scheduler.domain.clock import Clock
from switchboard.http.routing import Route
from switchboard.replica.user_directory import UserDirectory


def routes(clock: Clock, region: str | None, users: UserDirectory) -> list[Route]:
    """Every route of the service. `region`: where a phone that is written without a country is at home."""
    return [
        *reminder_routes(clock, users),
        *call_routes(clock, region, users),
        *campaign_routes(clock, region),
        *window_routes(),
    ]
