"""Auth's settings, read from the environment."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from auth.domain.oauth import ProviderSettings, read_providers
from switchboard.runtime.settings import BusSettings, DatabaseSettings, Duration, PublicUrl, RedisSettings


class Settings(DatabaseSettings, BusSettings, RedisSettings):
    """`identity_key_file`: the JWK set of the gateways' public keys, by which every service verifies identities."""

    identity_key_file: Path
    public_url: PublicUrl = "http://127.0.0.1:8080"
    failed_logins_by_address: int = Field(default=100, ge=1)
    """Failed sign-ins of one client address in five minutes, to whatever account."""
    sign_ups_by_address: int = Field(default=50, ge=1)
    """Sign-ups of one client address in ten minutes."""
    trial_duration: Duration = timedelta(days=14)
    session_duration: Duration = timedelta(days=30)

    @property
    def oauth_providers(self) -> tuple[ProviderSettings, ...]:
        """The providers that the `OAUTH_<PROVIDER>_...` variables set up."""
        return read_providers(os.environ)

    @model_validator(mode="after")
    def _check_oauth_providers(self) -> Self:
        read_providers(os.environ)
        return self
