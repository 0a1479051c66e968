"""Composition root of the API gateway."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from api_gateway.api.application import EdgeApplication
from api_gateway.identity.authentication import Authentication
from api_gateway.proxy.handler import Proxy
from api_gateway.proxy.rate_limits import EdgeRateLimits
from api_gateway.proxy.request import EdgeConfig
from api_gateway.settings import Settings
from api_gateway.upstreams.health_probes import HealthProbes
from api_gateway.upstreams.upstreams import open_upstreams
from switchboard.process import App, open_service


@asynccontextmanager
async def open_app(settings: Settings) -> AsyncIterator[App]:
    """Open the gateway, ready to run. Auth takes over when Redis needs longer than half a second."""
    async with open_service("api-gateway", settings, redis_timeout=0.5) as service:
        urls = settings.public_url, settings.frontend_url
        upstreams = await service.enter(open_upstreams(settings.upstream_urls))
        limits = EdgeRateLimits(service.redis, service.metrics, settings.rate_limit_user, settings.rate_limit_address)
        authentication = Authentication(service.redis, upstreams["auth"], settings.identity_key_file, *urls)
        edge = EdgeConfig(*urls, settings.trusted_proxies, service.metrics, service.health, settings.logs_requests)
        http = EdgeApplication(edge, Proxy(upstreams, authentication, limits, settings.max_upload_bytes))
        probes = [HealthProbes(upstream).run for upstream in upstreams.values()]
        workers = [http.websockets.run, authentication.run, limits.run, *probes]
        yield service.app(http=http.application(), workers=workers)
