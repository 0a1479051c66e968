"""Composition: everything that conversations is made of."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

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
from switchboard.http import http_app
from switchboard.http.client import open_service_client
from switchboard.http.identity import IdentityVerifier
from switchboard.http.identity_keys import Keys, open_keys
from switchboard.messaging.bus import open_bus
from switchboard.postgres.database import Database, open_database
from switchboard.process.main import App
from switchboard.runtime.background import Loop
from switchboard.runtime.health import Health
from switchboard.runtime.redis import check_redis, open_redis

NAME = "conversations"
DEFAULT_ENDPOINT = "default"


@asynccontextmanager
async def open_app(settings: Settings, *, keys: Keys | None = None) -> AsyncIterator[App]:
    """The service, ready to run. `keys`: a test's own."""
    instance = settings.app_instance_id
    async with AsyncExitStack() as stack:
        if keys is None:
            keys = await stack.enter_async_context(open_keys(settings.auth_urls))
        database = await stack.enter_async_context(
            open_database(
                settings.database_url,
                application=NAME,
                size=settings.database_pool_size,
                listen_url=settings.database_listen_url,
            )
        )
        redis = await stack.enter_async_context(open_redis(settings.redis_url))
        bus = await stack.enter_async_context(open_bus(settings.amqp_url, service=NAME, instance=instance))
        auth = await stack.enter_async_context(open_service_client("auth", settings.auth_urls))
        files = await stack.enter_async_context(open_service_client("files", settings.files_urls))
        twilio = await stack.enter_async_context(
            open_twilio(settings.twilio_base_url, settings.public_url, most=2 * settings.sending_slots)
        )
        accounts = accounts_of(settings, database, twilio)
        health = Health(instance)
        health.add("database", database.check, ready=True)
        health.add("redis", lambda: check_redis(redis), ready=False)
        loops = [
            bus.consume(subscriptions(), database),
            bus.relay(database),
            *sending_loops(settings, database, redis, accounts),
        ]
        for name, check in bus.checks.items():
            health.add(name, check, ready=False)
        http = http_app(
            NAME,
            routes(
                database,
                accounts,
                auth=auth,
                files=files,
                region=settings.default_region,
                public_url=settings.public_url,
            ),
            health=health,
            verifier=IdentityVerifier(NAME, keys),
            database=database,
        )
        yield App(http=http, health=health, loops=loops)


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
