"""What auth is told by its environment."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Self

from pydantic import model_validator

from auth.domain.provider_settings import ProviderSettings, providers_in
from switchboard.runtime.settings import BusSettings, DatabaseSettings, Duration, PublicUrl, RedisSettings


class Settings(DatabaseSettings, BusSettings, RedisSettings):
    """`identity_key_file`: the public JWK set of the gateways, which every service verifies identities by."""

    identity_key_file: Path
    public_url: PublicUrl = "http://127.0.0.1:8080"
    trial_duration: Duration = timedelta(days=14)
    session_duration: Duration = timedelta(days=30)

    @property
    def oauth_providers(self) -> tuple[ProviderSettings, ...]:
        """Those that `OAUTH_<PROVIDER>_...` variables tell of."""
        return providers_in(os.environ)

    @model_validator(mode="after")
    def _providers_are_whole(self) -> Self:
        providers_in(os.environ)
        return self
