"""The HTTP API of conversations, one class per resource."""

from conversations.actions.messages import DeliveryHolder, MessageAppender
from conversations.adapters.provider_accounts import ProviderAccounts
from conversations.api.calls import Calls
from conversations.api.campaigns import Campaigns
from conversations.api.channels import Channels
from conversations.api.contact_imports import ContactImports
from conversations.api.contacts import Contacts
from conversations.api.conversations import Conversations
from conversations.api.notifications import UserNotifications
from conversations.api.webhooks import ProviderWebhooks
from switchboard.event_log.hints import EventHints
from switchboard.http import Route
from switchboard.http.client import ServiceClient
from switchboard.postgres.database import Database
from switchboard.replica.user_directory import UserDirectory


def routes(
    database: Database,
    accounts: ProviderAccounts,
    *,
    auth: ServiceClient,
    files: ServiceClient,
    hints: EventHints,
    holder: DeliveryHolder,
    region: str,
    public_url: str,
) -> list[Route]:
    """All routes.

    `holder`: sends new messages. `region`: of phones without a country code. `public_url`: where providers send their
    webhooks.
    """
    return [
        *ContactImports(database, region, UserDirectory(auth)).routes(),
        *Contacts(database, region, UserDirectory(auth)).routes(),
        *Conversations(region, files, MessageAppender(database, holder), accounts, hints).routes(),
        *UserNotifications().routes(),
        *Campaigns(database).routes(),
        *Calls().routes(),
        *Channels(region, public_url, accounts.encryption).routes(),
        *ProviderWebhooks(database, accounts, region).routes(),
    ]
