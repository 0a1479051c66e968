"""Composition root of realtime."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from realtime.adapters.session_lookup import Authenticator
from realtime.api import routes
from realtime.consumers import subscriptions
from realtime.fanout import CatchUp, Dispatcher
from realtime.log.event_log import EventLog, LogBounds
from realtime.metrics import observe
from realtime.presence import Presence
from realtime.settings import Settings
from realtime.transport.connections import Connections
from switchboard.process import App, Keys, open_service


@asynccontextmanager
async def open_app(settings: Settings, *, keys: Keys | None = None) -> AsyncIterator[App]:
    async with open_service("realtime", settings, keys=keys) as service:
        authenticator = Authenticator(service.verifier, await service.client("auth", settings.auth_urls, within=3.0))
        log = EventLog(service.redis, LogBounds(settings.log_max_entries, settings.log_keep))
        dispatcher = Dispatcher(log, reverify_after=settings.doubt_after)
        catch_up = CatchUp(log, dispatcher, cursor_every=settings.cursor_every)
        presence = Presence(service.redis, log, dispatcher.rooms)
        connections = Connections(authenticator, catch_up, presence, settings.connection_limits)
        observe(service, dispatcher, catch_up, connections)
        app = service.app(routes=routes(catch_up), consumers=subscriptions(log), workers=[dispatcher.run, presence.run])
        connections.attach(app.http)
        yield app
