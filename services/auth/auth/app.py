"""Puts auth together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from auth.adapters.oauth_states import OAuthStates
from auth.adapters.oidc_providers import open_providers
from auth.adapters.password_hashing import open_passwords
from auth.adapters.session_cache import SessionCache
from auth.adapters.sign_in_throttle import Throttle
from auth.adapters.signing_keys import KeyFile
from auth.api import routes
from auth.api.cookies import SessionCookie
from auth.api.deps import Parts
from auth.api.oauth import OAuthRoutes
from auth.consumers import subscriptions
from auth.settings import Settings
from auth.workers.housekeeping import forgetting_sessions
from switchboard.http import http_app
from switchboard.http.identity import IdentityVerifier
from switchboard.messaging.bus import open_bus
from switchboard.postgres.database import open_database
from switchboard.process.main import App
from switchboard.runtime.health import Health
from switchboard.runtime.redis import check_redis, open_redis


@asynccontextmanager
async def open_app(settings: Settings) -> AsyncIterator[App]:
    name = settings.app_instance_id
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(
            open_database(
                settings.database_url,
                application="auth",
                size=settings.database_pool_size,
                listen_url=settings.database_listen_url,
            )
        )
        redis = await stack.enter_async_context(open_redis(settings.redis_url))
        bus = await stack.enter_async_context(open_bus(settings.amqp_url, service="auth", instance=name))
        passwords = await stack.enter_async_context(open_passwords())
        keys = KeyFile(settings.identity_key_file)
        cache = SessionCache(redis, database)
        parts = Parts(
            database=database,
            cache=cache,
            passwords=passwords,
            throttle=Throttle(redis),
            keys=keys,
            cookie=SessionCookie.for_url(settings.public_url),
            trial_duration=settings.trial_duration,
            session_duration=settings.session_duration,
        )
        loops = [
            bus.consume(subscriptions(), database),
            bus.relay(database),
            cache.repeating(),
            forgetting_sessions(database),
        ]
        providers = await stack.enter_async_context(open_providers(settings.oauth_providers))
        states = OAuthStates(redis, secure=parts.cookie.secure)
        oauth = OAuthRoutes(parts, providers, states, settings.public_url)
        health = Health(name)
        health.add("database", database.check, ready=True)
        health.add("redis", lambda: check_redis(redis), ready=False)
        for check_name, check in bus.checks.items():
            health.add(check_name, check, ready=False)
        http = http_app(
            "auth",
            routes(parts, oauth),
            health=health,
            verifier=IdentityVerifier("auth", keys),
            database=database,
        )
        yield App(http=http, health=health, loops=loops)
