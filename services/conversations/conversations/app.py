"""Composition root of conversations."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis

from conversations.adapters.provider_accounts import Accounts
from conversations.adapters.provider_rate_limit import Pace
from conversations.adapters.sandbox import Sandbox
from conversations.adapters.twilio import Twilio, open_twilio
from conversations.api import routes
from conversations.consumers import subscriptions
from conversations.domain.providers import Account
from conversations.settings import Settings
from conversations.workers.call_dialer import CallPlacer
from conversations.workers.campaign_expander import Expansion
from conversations.workers.campaign_progress import progressing
from conversations.workers.crash_points import crashing_at
from conversations.workers.message_sender import Sender
from conversations.workers.sandbox_reports import reporting
from conversations.workers.stale_deliveries import recovering
from switchboard.http.identity_keys import Keys
from switchboard.postgres.database import Database
from switchboard.process.runner import App
from switchboard.process.service import open_service
from switchboard.runtime.background import Loop

DEFAULT_ENDPOINT = "default"


@asynccontextmanager
async def open_app(settings: Settings, *, keys: Keys | None = None) -> AsyncIterator[App]:
    """Open conversations, ready to run. `keys`: see `open_service`."""
    async with open_service("conversations", settings, keys=keys) as service:
        auth = await service.client("auth", settings.auth_urls)
        files = await service.client("files", settings.files_urls)
        twilio = await service.enter(
            open_twilio(settings.twilio_base_url, settings.public_url, most=2 * settings.sending_slots)
        )
        accounts = accounts_of(settings, service.database, twilio)
        yield service.app(
            routes=routes(
                service.database,
                accounts,
                auth=auth,
                files=files,
                region=settings.default_region,
                public_url=settings.public_url,
            ),
            consumers=subscriptions(),
            workers=sending_loops(settings, service.database, service.redis, accounts),
        )


def accounts_of(settings: Settings, database: Database, twilio: Twilio) -> Accounts:
    """Who sends for whom."""
    if settings.messaging_provider == "twilio":
        credentials = {"account_sid": settings.twilio_account_sid, "auth_token": settings.twilio_auth_token}
        default = Account("twilio", settings.twilio_from, DEFAULT_ENDPOINT, credentials)
    else:
        default = Account("sandbox", "+15005550006", DEFAULT_ENDPOINT)
    return Accounts({"sandbox": Sandbox(database), "twilio": twilio}, default)


def sending_loops(settings: Settings, database: Database, redis: Redis, accounts: Accounts) -> list[Loop]:
    """All that gets out what is queued."""
    pace = Pace(redis, provider_rate=settings.provider_rate, tenant_rate=settings.tenant_rate)
    sender = Sender(
        database,
        accounts,
        pace,
        instance=settings.app_instance_id,
        uncertain_policy=settings.uncertain_policy,
        checkpoint=crashing_at(settings.crash_at),
        slots=settings.sending_slots,
    )
    return [
        sender.run,
        recovering(database, accounts, uncertain_policy=settings.uncertain_policy),
        Expansion(database, settings.default_region).run,
        progressing(database),
        CallPlacer(database, accounts, instance=settings.app_instance_id).run,
        reporting(database),
    ]
