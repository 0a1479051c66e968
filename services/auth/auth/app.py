"""Composition root of auth."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

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
from switchboard.process.runner import App
from switchboard.process.service import open_service


@asynccontextmanager
async def open_app(settings: Settings) -> AsyncIterator[App]:
    """Open auth, ready to run."""
    keys = KeyFile(settings.identity_key_file)
    async with open_service("auth", settings, keys=keys) as service:
        cache = SessionCache(service.redis, service.database)
        parts = Parts(
            database=service.database,
            cache=cache,
            passwords=await service.enter(open_passwords()),
            throttle=Throttle(service.redis),
            keys=keys,
            cookie=SessionCookie.for_url(settings.public_url),
            trial_duration=settings.trial_duration,
            session_duration=settings.session_duration,
        )
        providers = await service.enter(open_providers(settings.oauth_providers))
        states = OAuthStates(service.redis, secure=parts.cookie.secure)
        yield service.app(
            routes=routes(parts, OAuthRoutes(parts, providers, states, settings.public_url)),
            consumers=subscriptions(),
            workers=[cache.repeating(), forgetting_sessions(service.database)],
        )
