"""Composition root of conversations."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from conversations.adapters.message_metrics import observe_messages
from conversations.adapters.provider_accounts import open_provider_accounts
from conversations.api import routes
from conversations.consumers import subscriptions
from conversations.settings import Settings
from conversations.workers import open_sending, workers
from conversations.workers.delivery_attempts import Checkpoint, no_checkpoint
from switchboard.event_log import EventLogWriter
from switchboard.event_log.hints import EventHints
from switchboard.process import App, Keys, open_service


@asynccontextmanager
async def open_app(
    settings: Settings, *, keys: Keys | None = None, checkpoint: Checkpoint = no_checkpoint
) -> AsyncIterator[App]:
    """Open conversations, ready to run. `keys`: see `open_service`. `checkpoint`: see `DeliveryAttempts`."""
    async with open_service("conversations", settings, keys=keys) as service:
        auth = await service.client("auth", settings.auth_urls)
        files = await service.client("files", settings.files_urls)
        accounts = await service.enter(open_provider_accounts(settings, service.database))
        region, public_url = settings.default_region, settings.public_url
        hints = EventHints(EventLogWriter(service.redis), enabled=settings.event_hints)
        service.database.on_published(hints.send)
        observe_messages(service)
        clients = {"auth": auth, "files": files}
        sender, holder = open_sending(settings, service, accounts, checkpoint)
        http = routes(
            service.database, accounts, **clients, hints=hints, holder=holder, region=region, public_url=public_url
        )
        loops = workers(settings, service, accounts, sender)
        yield service.app(routes=http, consumers=subscriptions(), workers=loops)
