"""What realtime is told from outside."""

from __future__ import annotations

from datetime import timedelta

from switchboard.runtime.settings import BusSettings, Duration, IdentitySettings, RedisSettings


class Settings(BusSettings, RedisSettings, IdentitySettings):
    """`log_*` bound each tenant's event log, `socket_backlog_bytes` what waits for one slow client."""

    log_max_entries: int = 10_000
    log_keep: Duration = timedelta(hours=24)
    socket_backlog_bytes: int = 1024 * 1024
    ping_interval: Duration = timedelta(seconds=25)
    ping_timeout: Duration = timedelta(seconds=20)
    drain_spread: Duration = timedelta(seconds=3)
    """Over how long clients are sent away at the end."""
    doubt_after: Duration = timedelta(seconds=65)
    """After a loss of the log, sockets are closed so long later, to have their sessions looked at again: the end of one
    may be among what was lost. Longer than a gateway remembers a session."""
    cursor_every: Duration = timedelta(minutes=1)
    """How often clients are told their place in a log that advances without them."""
