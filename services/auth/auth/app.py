"""Composition root of auth."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from auth.adapters.oidc_providers import open_providers
from auth.adapters.password_hashing import open_password_hasher
from auth.adapters.session_cache import SessionCache
from auth.adapters.signing_keys import PublicSigningKeys
from auth.api import routes
from auth.consumers import subscriptions
from auth.settings import Settings
from auth.workers import workers
from switchboard.process import App, open_service


@asynccontextmanager
async def open_app(settings: Settings) -> AsyncIterator[App]:
    """Open auth, ready to run."""
    keys = PublicSigningKeys(settings.identity_key_file)
    async with open_service("auth", settings, keys=keys) as service:
        cache = SessionCache(service.redis, service.database)
        passwords = await service.enter(open_password_hasher())
        providers = await service.enter(open_providers(settings.oauth_providers, settings.public_url))
        yield service.app(
            routes=routes(service, settings, keys, cache, passwords, providers),
            consumers=subscriptions(),
            workers=workers(service.database, cache),
        )
