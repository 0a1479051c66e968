"""Composition root of realtime."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from realtime.adapters.session_lookup import Door
from realtime.api.events import routes
from realtime.consumers import subscriptions
from realtime.fanout.catch_up import Arrivals
from realtime.fanout.cursors import Cursors
from realtime.fanout.dispatcher import Relay
from realtime.fanout.rooms import Rooms
from realtime.log.event_log import Bounds, EventLog
from realtime.metrics import count
from realtime.presence.presence import Presence
from realtime.settings import Settings
from realtime.transport.connections import Sockets
from switchboard.http import http_app
from switchboard.http.identity_keys import Keys
from switchboard.process.runner import App
from switchboard.process.service import open_service

AUTH_SECONDS = 3.0


@asynccontextmanager
async def open_app(settings: Settings, *, keys: Keys | None = None) -> AsyncIterator[App]:
    """Open realtime, ready to run. `keys`: see `open_service`."""
    async with open_service("realtime", settings, keys=keys) as service:
        auth = await service.client("auth", settings.auth_urls, within=AUTH_SECONDS)
        rooms = Rooms()
        log = EventLog(service.redis, Bounds(settings.log_max_entries, settings.log_keep))
        sockets = Sockets(
            rooms,
            backlog_bytes=settings.socket_backlog_bytes,
            ping_interval=settings.ping_interval.total_seconds(),
            ping_timeout=settings.ping_timeout.total_seconds(),
            spread=settings.drain_spread.total_seconds(),
            doubt_after=settings.doubt_after.total_seconds(),
        )
        relay = Relay(log, rooms, revoke=sockets.revoke, reload=sockets.reload)
        arrivals = Arrivals(log, relay, rooms)
        presence = Presence(service.redis, log, rooms)
        sockets.open_to(Door(service.verifier, auth), arrivals, presence)
        count(service.metrics.registry, sockets, relay, rooms)
        service.health.add("relay", relay.check, ready=False)
        http = http_app("realtime", routes(arrivals), service.http_context())
        sockets.attach(http)
        cursors = Cursors(relay, rooms, settings.cursor_every)
        yield service.app(
            http=http,
            consumers=subscriptions(log),
            workers=[relay.run, presence.run, cursors.run, sockets.sweep, sockets.drain],
        )
