"""The connection pool of a process. Every wait has a time limit, and an unavailable server raises its own error."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, cast

import asyncpg
import orjson
from prometheus_client import CollectorRegistry, Gauge

from switchboard.postgres.connection import (
    IDLE_IN_TRANSACTION_SECONDS,
    Connection,
    DatabaseUnavailable,
    PooledConnection,
    PrimaryConnections,
)
from switchboard.postgres.hosts import Hosts
from switchboard.postgres.notifications import Notifications, Wake
from switchboard.postgres.standby import StandbyMissing, StandbyRequired, SynchronousStandby

STATEMENT_SECONDS = 10.0
CONNECT_SECONDS = 5.0

# A process that hangs inside a transaction keeps its locks, so the server ends such a session. The server also ends a
# slow statement before our own time limit does, to distinguish a slow statement from a server that hangs.
SESSION_SETTINGS = {
    "idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION_SECONDS * 1000:.0f}",
    "lock_timeout": "2000",
    "statement_timeout": f"{(STATEMENT_SECONDS - 1) * 1000:.0f}",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "timezone": "UTC",
}


class Database:
    """A service's own database. `service` names the owner, which is the source of the messages that it publishes."""

    def __init__(
        self, pool: asyncpg.Pool, notifications: Notifications, service: str, primary: PrimaryConnections
    ) -> None:
        self.pool = pool
        self.service = service
        self.standby = SynchronousStandby()
        self._primary = primary
        self._notifications = notifications
        self._on_published: list[Callable[[Sequence[Any]], None]] = []

    def connection(self) -> AbstractAsyncContextManager[asyncpg.Connection]:
        """A connection outside of any transaction.

        Raises `DatabaseUnavailable` and `DatabaseContended`, also for errors of the connection inside the block.
        """
        return PooledConnection(self._primary)

    def on_published(self, listener: Callable[[Sequence[Any]], None]) -> None:
        """Call `listener` with the messages of each commit, right after it."""
        self._on_published.append(listener)

    def published(self, messages: Sequence[Any]) -> None:
        """Tell the listeners of a commit's messages."""
        for listener in self._on_published:
            listener(messages)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection inside a transaction, committed at the end of the block.

        Raises `StandbyMissing` if a synchronous standby is required.
        """
        self.standby.require()
        async with self.connection() as conn, conn.transaction():
            yield conn

    def notify(self, channel: str, *, at_most_every: float = 0.0) -> None:
        """Wake the listeners of `channel`: in this process at once, elsewhere by NOTIFY. Call it after the commit.

        `at_most_every`: do nothing if this process sent a notification less than so many seconds ago.
        """
        self._notifications.notify(channel, at_most_every=at_most_every)

    def on_notify(self, channel: str, wake: Wake) -> None:
        """Call `wake()` for notifications of `channel`, once for several at a time. One may be lost: poll as well."""
        self._notifications.listen(channel, wake)

    async def check(self) -> None:
        """Raises `DatabaseUnavailable` unless the database answers."""
        async with self.connection() as conn:
            await conn.fetchval("select 1")

    async def check_writes(self) -> None:
        """Raises `DatabaseUnavailable` unless the database takes writes: a standby answers but refuses them."""
        self.standby.require()
        async with self.connection() as conn:
            if await conn.fetchval("show transaction_read_only") == "on":
                await self._primary.leave(conn)
                raise DatabaseUnavailable("the database takes no writes")

    async def require_standby(self) -> None:
        """From now on, refuse writes while there is no synchronous standby. Raises `StandbyRequired` without one."""
        self.standby = SynchronousStandby(required=True)
        await self.look_for_standby()
        try:
            self.standby.require()
        except StandbyMissing as error:
            raise StandbyRequired(f"REQUIRE_SYNCHRONOUS_STANDBY: {error}") from None

    async def look_for_standby(self) -> None:
        """Ask the primary for its synchronous standby. Raises `DatabaseUnavailable`."""
        async with self.connection() as conn:
            await self.standby.look(conn)


@asynccontextmanager
async def open_database(
    url: str, *, application: str, size: int = 10, listen_url: str | None = None
) -> AsyncIterator[Database]:
    """Open the pool without waiting for the server. `listen_url`: a direct connection for LISTEN, not PgBouncer's."""
    hosts = Hosts(url)

    async def connect(_dsn: None, *, timeout: float, **options: Any) -> asyncpg.Connection:
        return await hosts.connect(timeout=timeout, **options)

    async with AsyncExitStack() as stack:
        pool = await asyncpg.create_pool(
            connect=cast("Any", connect),
            min_size=0,
            max_size=size,
            max_inactive_connection_lifetime=120,
            timeout=CONNECT_SECONDS,
            command_timeout=STATEMENT_SECONDS,
            server_settings={**SESSION_SETTINGS, "application_name": application},
            connection_class=Connection,
            init=_set_json_codecs,
            reset=_reset_session,
        )
        stack.callback(pool.terminate)
        notifications = Notifications(pool, Hosts(listen_url or url), application)
        await stack.enter_async_context(notifications.running())
        database = Database(pool, notifications, application, PrimaryConnections(pool, hosts))
        yield database
        async with asyncio.timeout(5):
            await pool.close()


def observe_pool(database: Database, registry: CollectorRegistry) -> None:
    """Register the gauges of the pool. They are computed at a scrape."""
    pool = database.pool
    connections = Gauge(
        "database_connections", "Connections of this process's pool by their state", ("state",), registry=registry
    )
    connections.labels("used").set_function(lambda: pool.get_size() - pool.get_idle_size())
    connections.labels("idle").set_function(pool.get_idle_size)
    most = Gauge("database_connections_most", "How many connections the pool may have", registry=registry)
    most.set_function(pool.get_max_size)


async def _set_json_codecs(conn: asyncpg.Connection) -> None:
    for name in ("json", "jsonb"):
        await conn.set_type_codec(name, encoder=_to_json, decoder=orjson.loads, schema="pg_catalog", format="text")


def _to_json(value: Any) -> str:
    return orjson.dumps(value, default=str).decode()


async def _reset_session(conn: asyncpg.Connection) -> None:
    """Roll back an open transaction, the only state that a session has. asyncpg's own reset costs a round trip."""
    if conn.is_in_transaction():
        await conn.execute("rollback")
