"""Settings of realtime, read from the environment."""

from datetime import timedelta

from realtime.transport.connections import ConnectionLimits
from switchboard.runtime.settings import BusSettings, Duration, IdentitySettings, RedisSettings


class Settings(BusSettings, RedisSettings, IdentitySettings):
    """`log_*` bound each tenant's event log, `socket_backlog_bytes` the frames that wait for one slow client."""

    log_max_entries: int = 10_000
    log_keep: Duration = timedelta(hours=24)
    socket_backlog_bytes: int = 1024 * 1024
    ping_interval: Duration = timedelta(seconds=25)
    ping_timeout: Duration = timedelta(seconds=20)
    drain_spread: Duration = timedelta(seconds=3)
    """The time over which a graceful drain spreads the closing of connections."""
    doubt_after: Duration = timedelta(seconds=65)
    """How long after a loss of the log unverifiable sessions are disconnected, to authenticate again: a revocation may
    be among the lost entries. Longer than a gateway caches a session."""
    cursor_every: Duration = timedelta(minutes=1)
    """How often quiet clients get the cursor of a log that advances without them."""

    @property
    def connection_limits(self) -> ConnectionLimits:
        return ConnectionLimits(self.socket_backlog_bytes, self.ping_interval, self.ping_timeout, self.drain_spread)
