"""What this service answers over HTTP: route -> function."""

from __future__ import annotations

from conversations.api import contacts, conversations, notifications
from switchboard.runtime.database import Database
from switchboard.runtime.http import Route


def routes(database: Database, region: str) -> list[Route]:
    """`region`: where a phone without a country is at home."""
    return [
        *contacts.routes(database, region),
        *conversations.routes(region),
        *notifications.routes(),
    ]
