"""Where realtime is put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from realtime.adapters.session_lookup import Door
from realtime.api.events import routes
from realtime.consumers import append_to_log
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
from switchboard.http.client import open_service_client
from switchboard.http.identity import IdentityVerifier
from switchboard.http.identity_keys import Keys, open_keys
from switchboard.messaging.bus import open_bus
from switchboard.process.main import App
from switchboard.runtime.health import Health
from switchboard.runtime.metrics import Metrics
from switchboard.runtime.redis import check_redis, open_redis

AUDIENCE = "realtime"
AUTH_SECONDS = 3.0


@asynccontextmanager
async def open_app(settings: Settings, *, keys: Keys | None = None) -> AsyncIterator[App]:
    """The whole service. `keys`: in place of those that auth publishes."""
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(open_redis(settings.redis_url))
        bus = await stack.enter_async_context(
            open_bus(settings.amqp_url, service="realtime", instance=settings.app_instance_id)
        )
        auth = await stack.enter_async_context(open_service_client("auth", settings.auth_urls, within=AUTH_SECONDS))
        if keys is None:
            keys = await stack.enter_async_context(open_keys(settings.auth_urls))
        verifier = IdentityVerifier(AUDIENCE, keys)

        rooms = Rooms()
        log = EventLog(redis, Bounds(settings.log_max_entries, settings.log_keep))
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
        presence = Presence(redis, log, rooms)
        sockets.open_to(Door(verifier, auth), arrivals, presence)

        metrics = Metrics()
        count(metrics.registry, sockets, relay, rooms)
        health = Health(settings.app_instance_id)
        health.add("redis", partial(check_redis, redis), ready=False)
        health.add("relay", relay.check, ready=False)
        http = http_app("realtime", routes(arrivals), verifier=verifier, health=health, metrics=metrics)
        sockets.attach(http)
        loops = [
            bus.consume_batches("realtime", "feed", partial(append_to_log, log=log), log.check),
            relay.run,
            presence.run,
            Cursors(relay, rooms, settings.cursor_every).run,
            sockets.sweep,
            sockets.drain,
        ]
        for name, check in bus.checks.items():
            health.add(name, check, ready=False)
        yield App(http=http, health=health, loops=loops)
