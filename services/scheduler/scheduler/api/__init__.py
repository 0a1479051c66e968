"""The scheduler's HTTP interface: a table of routes for each kind."""

from __future__ import annotations

from scheduler.api.calls import call_routes
from scheduler.api.campaigns import campaign_routes
from scheduler.api.reminders import reminder_routes
from scheduler.api.window import window_routes
from scheduler.clock import Clock
from switchboard.runtime.routing import Route
from switchboard.runtime.service_client import ServiceClient


def routes(clock: Clock, region: str | None, auth: ServiceClient) -> list[Route]:
    """Every route of the service. `region`: where a phone that is written without a country is at home."""
    return [
        *reminder_routes(clock, auth),
        *call_routes(clock, region, auth),
        *campaign_routes(clock, region),
        *window_routes(),
    ]
