"""The scheduler's HTTP API."""

from scheduler.api.calendar import Calendar
from scheduler.api.calls import PlannedCalls
from scheduler.api.campaigns import PlannedCampaigns
from scheduler.api.reminders import Reminders
from scheduler.domain.clock import Clock
from switchboard.http import Route
from switchboard.replica.user_directory import UserDirectory


def routes(clock: Clock, users: UserDirectory, region: str | None) -> list[Route]:
    """Every route of the service. `region`: the country of phone numbers without a country code."""
    return [
        *Reminders(clock, users).routes(),
        *PlannedCalls(clock, users, region).routes(),
        *PlannedCampaigns(clock, region).routes(),
        *Calendar().routes(),
    ]
