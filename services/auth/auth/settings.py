"""What auth is told by its environment."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from switchboard.runtime.settings import BusSettings, DatabaseSettings, Duration, RedisSettings, Url


class Settings(DatabaseSettings, BusSettings, RedisSettings):
    """`identity_key_file`: the public JWK set of the gateways, which every service verifies identities by."""

    identity_key_file: Path
    public_url: Url = "http://127.0.0.1:8080"
    trial_duration: Duration = timedelta(days=14)
    session_duration: Duration = timedelta(days=30)
