"""What this service answers over HTTP: route -> function."""

from __future__ import annotations

from conversations.adapters.provider_accounts import Accounts
from conversations.api import calls, campaigns, channels, contacts, conversations, notifications, webhooks
from switchboard.http import Route
from switchboard.http.client import ServiceClient
from switchboard.postgres.database import Database


def routes(
    database: Database,
    accounts: Accounts,
    *,
    auth: ServiceClient,
    files: ServiceClient,
    region: str,
    public_url: str,
) -> list[Route]:
    """`region`: where a phone without a country is at home. `public_url`: where providers reach us."""
    return [
        *contacts.routes(database, region, auth),
        *conversations.routes(region, files),
        *notifications.routes(),
        *campaigns.routes(database),
        *calls.routes(),
        *channels.routes(region, public_url),
        *webhooks.routes(database, accounts, region),
    ]
