"""Composition root of the API gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from api_gateway.api.middleware import Edge
from api_gateway.api.routes import pages
from api_gateway.identity.auth_client import AuthClient
from api_gateway.identity.credentials import Addresses, Credentials
from api_gateway.identity.sessions import Sessions
from api_gateway.identity.signing_keys import SigningKeyFile
from api_gateway.proxy.cors import Cors
from api_gateway.proxy.file_downloads import store_passage
from api_gateway.proxy.handler import Proxy
from api_gateway.proxy.rate_limits import RateLimits
from api_gateway.proxy.request import Surface
from api_gateway.proxy.routes import RouteTable
from api_gateway.proxy.websockets import Sockets
from api_gateway.settings import Settings
from api_gateway.upstreams.upstreams import Upstream
from switchboard.process.runner import App
from switchboard.process.service import open_service

REDIS_SECONDS = 0.5  # auth answers in place of a Redis that is slower


@asynccontextmanager
async def open_app(settings: Settings) -> AsyncIterator[App]:
    """Open the gateway, ready to run."""
    async with open_service("api-gateway", settings, redis_timeout=REDIS_SECONDS) as service:
        redis, metrics, health = service.redis, service.metrics, service.health
        upstreams = {
            "auth": Upstream("auth", settings.auth_urls),
            "files": Upstream("files", settings.files_urls),
            "conversations": Upstream("conversations", settings.conversations_urls),
            "scheduler": Upstream("scheduler", settings.scheduler_urls),
            "realtime": Upstream("realtime", settings.realtime_urls),
        }
        for upstream in upstreams.values():
            await service.enter(upstream.open())
        limits = RateLimits(redis, metrics, per_user=settings.rate_limit_user, per_address=settings.rate_limit_address)
        keys = SigningKeyFile(settings.identity_key_file)
        proxy = Proxy(
            routes=RouteTable(settings.max_upload_bytes),
            upstreams=upstreams,
            credentials=Credentials(settings.public_url, settings.frontend_url),
            sessions=Sessions(redis, AuthClient(upstreams["auth"]).resolve),
            keys=keys,
            limits=limits,
        )
        sockets = Sockets(proxy, upstreams["realtime"])
        addresses, cors = Addresses(settings.trusted_proxies), Cors(settings.frontend_url)
        logs = settings.log_level in ("debug", "info")
        surface = Surface(settings.public_url, addresses, metrics, cors, health, logs=logs)
        passage = None
        if settings.s3_endpoint is not None:
            passage = store_passage(proxy, settings.s3_endpoint, settings.max_upload_bytes)
            await service.enter(passage.upstream.open())
        edge = Edge(surface, proxy, sockets, pages(health, metrics, upstreams, settings.public_url), passage)
        workers = [
            sockets.closing,
            keys.refreshing,
            limits.exchanging,
            *(upstream.watch for upstream in upstreams.values()),
            *([passage.upstream.watch] if passage else ()),
        ]
        yield service.app(http=edge.application(), workers=workers)
