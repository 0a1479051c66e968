"""What this service answers over HTTP: route -> function."""

from __future__ import annotations

from conversations.api import conversations, notifications
from switchboard.runtime.http import Route


def routes(region: str) -> list[Route]:
    """`region`: where a phone without a country is at home."""
    return [*conversations.routes(region), *notifications.routes()]
